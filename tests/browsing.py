"""A library that is shown in a real browser, by the gateway that users start."""

from pathlib import Path

from PIL import Image, ImageDraw
from running import RunningDaemon

PHOTOS = Path(__file__).parent / "data" / "photos"
PLACES = ((47.375, 8.5), (47.375, 8.625), (41.875, 12.5), (40.75, -74.0))  # Zürich, Rome, New York
HOSTILE = (
    b"<img src=x onerror=document.title='owned'>.jpg",
    "\u202egpj.exe شمس.jpg".encode(),
    b"\xff\xfe not text.jpg",
    b'"><script>document.title=1;<!--\n'.ljust(251, b"x") + b".jpg",  # as long as names can be
)


def make_library(folder):
    """Put photos of several months there, names that mean harm, and a HEIC; return how many."""
    import pillow_heif  # noqa: PLC0415  # only these tests write it

    pillow_heif.register_heif_opener()
    photos = sorted(PHOTOS.glob("*.jpg"))
    for i, photo in enumerate(photos):
        where = folder / f"{2020 + i // 3}"
        where.mkdir(parents=True, exist_ok=True)
        with Image.open(photo) as picture:
            exif = picture.getexif()
            exif[0x0110] = f"Camera {i % 2}"
            exif.get_ifd(0x8769)[0x9003] = f"{2020 + i // 3}:{1 + i:02d}:05 12:00:00"
            if i < len(PLACES):
                north, east = PLACES[i]
                exif.get_ifd(0x8825).update(
                    {1: "N", 2: (north, 0, 0), 3: "E" if east > 0 else "W", 4: (abs(east), 0, 0)}
                )
            picture.convert("RGB").save(where / photo.name, exif=exif)
    for i, name in enumerate(HOSTILE):
        picture = Image.new("RGB", (300 + 40 * i, 200), (40 * i, 90, 160))
        ImageDraw.Draw(picture).ellipse((50, 50, 150 + 10 * i, 150), fill=(250, 200, 30 * i))
        with open(bytes(folder) + b"/" + name, "wb") as file:
            picture.save(file, "JPEG")
    heic = Image.radial_gradient("L").convert("RGB").resize((320, 480))
    heic.save(folder / "portrait.heic")
    (folder / "portrait.mov").write_bytes(b"no film that a browser knows")
    return len(photos) + len(HOSTILE) + 1


def start_daemon(home):
    """Return a daemon over such a library, all of it indexed."""
    pictures = home / "Pictures"
    count = make_library(pictures)
    daemon = RunningDaemon(home, [pictures])
    daemon.wait_until_indexed(count)
    return daemon
