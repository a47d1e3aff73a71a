/** What the page's modules hand to each other; types alone, which no browser sees. */

/** A photo as a grid shows it. */
type Item = { id: number; hash?: string; label: string; band?: string; source?: string };

/** JSON, as the API has it. */
type Fields = Record<string, any>;
/** What the daemon answers: lists, and more. */
type Answer = Fields & {
  clock: string;
  companions?: any[];
  days: number[];
  files: any;
  hashes: string[];
  hits: any[];
  id: number;
  ids: number[];
  months: { month: string; count: number }[];
  nearest_hits: any[];
  roots: any[];
  user_metadata: { tags?: string[]; [key: string]: any };
  warnings: string[];
};
type Filters = Fields;

type Act = () => void;
/** Tells the user. */
type Say = (text: string) => void;

/** A group of duplicates. */
type Alike = { kind: string; files: any[] };

/** What a key does. */
type Keys = Record<string, Act>;
/** Which photo it leads to. */
type Steps = Record<string, () => number>;

/** What the page shows: an entry of the browser's history. */
type Scene = {
  view: "photos" | "map" | "duplicates" | "status";
  query: string;
  filters: Filters;
  order: "score" | "newest";
  /** Which of the pictures that were pasted or dropped it searches by. */
  picture?: number;
  /** What the words are not to be taken for: `dates: false`. */
  literal?: Fields;
  /** Index of the photo in the viewer. */
  viewing?: number;
  /** Where the grid was left. */
  place?: Place;
  /** Where the map was left. */
  spot?: Spot;
  /** Where the duplicates were left: the index of a group. */
  group?: number;
  /** Where any other view was left, in pixels. */
  scrolled?: number;
  /** Whether what is known of the photo in the viewer is shown beside it. */
  panel?: boolean;
};

type Grid = import("../../imgvecd/web/grid.js").Grid;
type Source = import("../../imgvecd/web/sources.js").Timeline | import("../../imgvecd/web/sources.js").Results;
/** `month`: "2023-05", or "undated"; empty where it is none. */
type Section = { start: number; title: string; month: string };
type Place = { index: number; offset: number; active: number };

/** Where everything is, in pixels from the top of the whole sheet. */
type Layout = {
  /** First photo of each row. */
  starts: Uint32Array;
  /** Of each row. */
  tops: Float64Array;
  /** Of each row. */
  heights: Float32Array;
  /** Top of each section's heading. */
  headings: Float64Array;
  rows: number;
  /** Of the sheet. */
  height: number;
};

/** In pixels. */
type Size = { width: number; rowHeight: number; gap: number; heading: number };

/** In degrees. */
type Point = { latitude: number; longitude: number };
/** What is in the middle of the map, and how large: at zoom 0 the earth is a tile wide. */
type Spot = Point & { zoom: number };
type Pixels = { x: number; y: number };
/** South, west, north, east. */
type Box = [number, number, number, number];
/** Photos that were taken near each other; all of them lie in the box. */
type Group = Point & { count: number; id: number; hash: string; box: Box };

// What each part of the page tells those who made it.
type BarEvents = {
  /** `refined`: it goes on with what was typed before. */
  search: (query: string, refined: boolean) => void;
  filter: (filters: Filters) => void;
  literally: (literal: Fields) => void;
  order: (order: "score" | "newest") => void;
  noPicture: () => void;
  view: (view: Scene["view"]) => void;
};
type GridEvents = {
  open: (index: number) => void;
  moved: (top: number, most: number) => void;
  selected: () => void;
};
type LiveEvents = {
  status: (state: any) => void;
  changed: () => void;
  match: (hit: any) => void;
  lost: (why: string) => void;
  back: () => void;
};
type MapEvents = {
  photos: (box: Box) => void;
  moved: () => void;
};
type PanelEvents = {
  like: (id: number) => void;
  filter: (filters: Filters) => void;
  say: (text: string) => void;
  close: () => void;
};
type StatusEvents = {
  say: (text: string) => void;
  /** All that the daemon says of itself. */
  known: (state: any) => void;
};
type ViewerEvents = {
  shown: (index: number, id: number) => void;
  closed: (index: number) => void;
  about: () => void;
};
