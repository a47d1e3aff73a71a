"""Folders and files that other programs keep to themselves: nobody's photos, whatever is asked for.

Whoever wants such a folder makes it a root of its own: a root's own name is not asked.

Trash, thumbnails, previews, versions, caches, halves of copies. They are known by their names, or
by a marker file in them; all names in lower case.
"""

from __future__ import annotations

import re

# Of Android; Nextcloud (two); PhotoPrism's own storage; caches, after bford.info/cachedir; Python's
# environments, with the pictures of libraries.
_MARKERS = {
    b".nomedia", b".noimage", b".nomemories", b".ppstorage", b"CACHEDIR.TAG", b"pyvenv.cfg",
}  # fmt: skip

_OF_IMMICH = {b"thumbs", b"encoded-video", b"profile", b"backups"}
_MARKER_OF_IMMICH = b".immich"  # in each of its folders, those with originals as well

_TRASH = "a trash folder"
_SYSTEM = "a system folder"
_THUMBNAILS = "thumbnails of another program"
_SYNC = "working files of a synchronisation program"
_CACHE = "a cache"
_VERSIONS = "earlier versions that a program keeps"
_PROGRAM = "a program's own files"
_HALF = "a file that is on its way in, or out"

_FOLDERS = {
    # Synology, QNAP, Samba, Windows, macOS, desktops
    b"@eadir": _THUMBNAILS, b".@__thumb": _THUMBNAILS, b"@tmp": _SYSTEM,
    b"#recycle": _TRASH, b"@recycle": _TRASH, b"$recycle.bin": _TRASH, b"recycler": _TRASH,
    b"recycled": _TRASH, b"network trash folder": _TRASH,
    b"temporary items": _SYSTEM, b"lost.dir": _SYSTEM,
    b"@recently-snapshot": _SYSTEM, b"@sharesnap": _SYSTEM, b"@synologydrive": _SYNC,
    b".synologyworkingdirectory": _SYNC, b"~snapshot": _SYSTEM,
    b"#snapshot": _SYSTEM, b".snapshot": _SYSTEM, b".snapshots": _SYSTEM, b".zfs": _SYSTEM,
    b"system volume information": _SYSTEM, b"lost+found": _SYSTEM, b"__macosx": _SYSTEM,
    b".appledouble": _SYSTEM, b".appledb": _SYSTEM, b".appledesktop": _SYSTEM,
    b".fseventsd": _SYSTEM, b".spotlight-v100": _SYSTEM, b".temporaryitems": _SYSTEM,
    b".documentrevisions-v100": _SYSTEM, b".mobilebackups": _SYSTEM,
    b"backups.backupdb": _VERSIONS,
    **dict.fromkeys(
        (b"@appconf", b"@appdata", b"@apphome", b"@appstore", b"@apptemp", b"@cloudsync",
         b"@database", b"@docker", b"@img_bkp_cache", b"@s2s", b"@sharebin"),
        _SYSTEM,
    ),
    # thumbnails and caches
    b".cache": _CACHE, b".xvpics": _THUMBNAILS, b".photostructure": _CACHE, b".face": _THUMBNAILS,
    b"@__thumb": _THUMBNAILS, b".wdmc": _THUMBNAILS, b".wdcache": _CACHE, b"trashbox": _TRASH,
    b"thmbnl": _THUMBNAILS, b"pwg_representative": _THUMBNAILS, b".streams": _SYSTEM,
    b"generated images.bundle": _THUMBNAILS, b"librarycache": _CACHE, b"_palbtn": _THUMBNAILS,
    b"ipod photo cache": _THUMBNAILS, b"apple tv photo cache": _THUMBNAILS,
    b".dropbox.cache": _CACHE, b".picasaoriginals": "originals that Picasa has set aside",
    b"[originals]": "originals that ACDSee has set aside",
    # Nextcloud and ownCloud
    b"files_trashbin": _TRASH, b"files_versions": _VERSIONS,
    # MEGA, Syncthing, Resilio, rsync, Google Drive, Seafile
    b"_gsdata_": _VERSIONS, b".debris": _TRASH, b".sync": _SYNC, b".syncarchive": _VERSIONS,
    b".~tmp~": _SYNC, b".rsync-partial": _SYNC, b".rsync-tmp": _SYNC,
    b".tmp.drivedownload": _SYNC, b".tmp.driveupload": _SYNC, b".seafile-data": _SYNC,
    # programs
    b"node_modules": _PROGRAM, b".git": _PROGRAM, b".hg": _PROGRAM, b".svn": _PROGRAM,
    b".bzr": _PROGRAM, b"site-packages": _PROGRAM, b"dist-packages": _PROGRAM, b".npm": _PROGRAM,
    b"__pycache__": _PROGRAM, b".tox": _PROGRAM, b".nox": _PROGRAM, b".cargo": _PROGRAM,
    b".rustup": _PROGRAM, b".gradle": _PROGRAM, b"steamapps": _PROGRAM,
    b"bower_components": _PROGRAM, b".yarn": _PROGRAM, b".pnpm-store": _PROGRAM,
}  # fmt: skip
# In names that are hidden: .Trash-1000, .dtrash, .$recycle_bin$, .FilesByGoogleTrash, .mediaThumbs
_HIDDEN = {b"trash": _TRASH, b"recycle": _TRASH, b"thumb": _THUMBNAILS}
_BEGINNINGS = {
    b".deleted": _TRASH,
    b".@": _SYSTEM,  # QNAP's
    b"mipmaps-": _CACHE,  # darktable's
    b"@gmt-": _SYSTEM,  # Samba's snapshots
    b".stversions": _SYNC,
    b".stfolder": _SYNC,
    b".syncthing": _SYNC,
}
_ENDINGS = {
    b".lrdata": "previews of Lightroom",
    b".lrcat-data": "previews of Lightroom",
    b".app": _PROGRAM,
    b".fcpbundle": _PROGRAM,
    b".imovielibrary": _PROGRAM,
    b".theater": _PROGRAM,
    b".tvlibrary": _PROGRAM,
    b".musiclibrary": _PROGRAM,
    b".download": _HALF,  # Safari's
}
_PACKAGES = (
    b".photoslibrary", b".photolibrary", b".migratedphotolibrary", b".aplibrary",
    b".migratedaplibrary",
)  # fmt: skip
_ORIGINALS = {b"originals", b"masters"}  # of such a package: Photos; iPhoto and Aperture
_FROM_PHONES = b"mobile downloads.lrdata"  # Lightroom's only .lrdata that holds originals
_TAKEOUTS_TRASH = {
    b"trash", b"bin", b"papierkorb", b"corbeille", b"papelera", b"cestino", b"lixeira",
    b"prullenbak", b"papperskorgen", b"kosz",
}  # fmt: skip
# What is out within which folder: of iPhoto before 2011, Capture One, Steam, phones, Piwigo, Plex,
# Kodi, macOS, Takeout, ….
_WITHIN = {
    b"iphoto library": ({b"thumbnails", b"previews", b"data", b"data.noindex"}, _THUMBNAILS),
    b"captureone": ({b"cache"}, _CACHE),
    b"screenshots": ({b"thumbnails"}, _THUMBNAILS),
    b"share": ({b"trash"}, _TRASH),
    b".gallery2": ({b"recycle"}, _TRASH),
    b".estrongs": ({b"recycle"}, _TRASH),
    b"_data": ({b"i"}, _THUMBNAILS),
    b"plex media server": ({b"cache", b"media", b"metadata"}, _CACHE),
    b"userdata": ({b"thumbnails"}, _THUMBNAILS),
    b"library": ({b"caches"}, _CACHE),
    **dict.fromkeys((b"google photos", b"google fotos", b"google foto"), (_TAKEOUTS_TRASH, _TRASH)),
}
_CATALOG_OF_CAPTURE_ONE = b".cocatalog"
_INSTANCE_OF_NEXTCLOUD = re.compile(rb"appdata_oc[a-z0-9]{10}")
_OF_NEXTCLOUD = {b"preview", b"preview_old", b"avatar", b"theming", b"dav-photocache"}

_TRASHED = b".trashed-"
_FILES = {
    b"._": "a resource fork (._*)",
    b"synophoto_thumb_": _THUMBNAILS,
    b"synofile_thumb_": _THUMBNAILS,
    b".thumb_": _THUMBNAILS,
    b".tmp": _HALF,
    b".#": _HALF,
    b".pending-": _HALF,  # Android
    _TRASHED: "in Android's trash",
    b".syncthing.": _HALF,
    b"~syncthing~": _HALF,
    b".~": _HALF,
    b"~$": _HALF,
    b".megatmp": _HALF,
}
_OF_DIGIKAM = b".digikamtempfile."  # what it saves, until it is whole


MARKERS = (*sorted(_MARKERS), _MARKER_OF_IMMICH)
"""Names of files for which `is_marker` may be true."""


def is_marker(directory: bytes, name: bytes) -> bool:
    """Return whether a file says by its name that the folder it lies in is left out."""
    return name in _MARKERS or (
        name == _MARKER_OF_IMMICH and directory.rpartition(b"/")[2] in _OF_IMMICH
    )


def why_no_folder(above: bytes, name: bytes) -> str | None:
    """Return why a folder holds nobody's photos, None if it may.

    Args:
        above: the name of the folder that it lies in.
    """
    name, above = name.lower(), above.lower()
    if name.startswith(b"._"):
        return _FILES[b"._"]
    if reason := _why_not_within(above, name):
        return reason
    if name == _FROM_PHONES:
        return None
    reason = _FOLDERS.get(name)
    if reason is None and name.startswith(b"."):
        reason = next((why for part, why in _HIDDEN.items() if part in name), None)
    if reason is None and name.startswith(tuple(_BEGINNINGS)):
        reason = next(why for start, why in _BEGINNINGS.items() if name.startswith(start))
    if reason is None and name.endswith(tuple(_ENDINGS)):
        reason = next(why for end, why in _ENDINGS.items() if name.endswith(end))
    return reason


def _why_not_within(above: bytes, name: bytes) -> str | None:
    """Return why a folder is left out for the one that it lies in, both in lower case."""
    if above.endswith(_PACKAGES) and name not in _ORIGINALS:
        return "made from the originals of a photo library"
    if _INSTANCE_OF_NEXTCLOUD.fullmatch(above) or (
        above.startswith(b"appdata_") and name in _OF_NEXTCLOUD
    ):
        return "previews of Nextcloud"
    if above.endswith(_CATALOG_OF_CAPTURE_ONE) and name == b"cache":
        return _CACHE
    names, reason = _WITHIN.get(above, ((), None))
    return reason if name in names else None


def why_no_file(name: bytes) -> str | None:
    """Return why a file is nobody's photo by its name, None if it may be one."""
    name = name.lower()
    if _OF_DIGIKAM in name:
        return _HALF
    if not name.startswith(tuple(_FILES)):
        return None
    return next(why for start, why in _FILES.items() if name.startswith(start))


def is_of_trash(name: bytes) -> bool:
    """Return whether a folder, or a file, of this name is a trash's, wherever it is."""
    return why_no_folder(b"", name) == _TRASH or name.lower().startswith(_TRASHED)
