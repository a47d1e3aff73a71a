"""Small pictures, each unlike the others."""

from PIL import Image


def draw(path, number):
    """Save the picture of a number in a file whose name says the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    red, green, blue = number * 37 % 256, number * 91 % 256, number % 256
    picture = Image.new("RGB", (24, 24), (red, green, blue))
    picture.putpixel((number % 24, number // 24 % 24), (255 - red, green, 255 - blue))
    picture.save(path)
