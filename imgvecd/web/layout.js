/** Justified rows: every photo at its own shape, every full row as wide as the page. */

const LEAST_RATIO = 0.45;
const MOST_RATIO = 3.2;
const TALLEST = 1.35; // of a row, times the height aimed at, before it is left ragged

/** @param {number} value @param {number} low @param {number} high */
export function within(value, low, high) {
  return Math.max(Math.min(value, high), low);
}

/** @param {number} shape a byte as the timeline has it; its width to its height */
export function wholeRatioOf(shape) {
  return shape <= 128 ? shape / 128 : 128 / (256 - shape);
}

/** @param {number} shape Return the same for its cell: what is longer is cut. */
export function ratioOf(shape) {
  return within(wholeRatioOf(shape), LEAST_RATIO, MOST_RATIO);
}

/** @param {Uint8Array} shapes @param {Pick<Section, "start">[]} sections ascending; the first begins at 0 @param {Size} size */
export function layOut(shapes, sections, size) {
  const count = shapes.length;
  const starts = new Uint32Array(count + 1);
  const tops = new Float64Array(count + 1);
  const heights = new Float32Array(count);
  const headings = new Float64Array(sections.length);
  const ratios = new Float32Array(256);
  for (let shape = 0; shape < 256; shape++) ratios[shape] = ratioOf(shape);
  let rows = 0;
  let top = 0;
  for (let s = 0; s < sections.length; s++) {
    const end = s + 1 < sections.length ? sections[s + 1].start : count;
    headings[s] = top;
    top += size.heading;
    let first = sections[s].start;
    while (first < end) {
      let sum = 0;
      let next = first;
      let height = Infinity;
      while (next < end && height > size.rowHeight) {
        sum += ratios[shapes[next++]];
        height = (size.width - size.gap * (next - first - 1)) / sum;
      }
      if (height > size.rowHeight * TALLEST) height = size.rowHeight;
      starts[rows] = first;
      tops[rows] = top;
      heights[rows] = height;
      rows++;
      top += height + size.gap;
      first = next;
    }
  }
  starts[rows] = count;
  tops[rows] = top;
  return {
    starts: starts.slice(0, rows + 1),
    tops: tops.slice(0, rows + 1),
    heights: heights.slice(0, rows),
    headings,
    rows,
    height: top,
  };
}

/** Return the last place in ascending values that is not above a value. @param {ArrayLike<number>} values @param {number} value @param {number} length */
export function lastNotAbove(values, value, length) {
  let low = 0;
  let high = length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (values[middle] <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}
