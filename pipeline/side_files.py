"""Files that lie beside recordings and are none: what systems leave, notes, transcripts, lists, pictures."""

from __future__ import annotations

_NAMES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
_EXTENSIONS = {
    *("txt", "md", "rst", "rtf", "pdf", "doc", "docx", "odt", "html", "htm", "xml", "json", "yaml", "yml", "log"),
    *("csv", "tsv", "xls", "xlsx", "ods", "ini", "url", "lnk", "md5", "sha1", "sha256", "sfv"),
    *("srt", "vtt", "ass", "ssa", "lrc", "sub", "sbv", "ttml", "stm", "ctm", "rttm", "trs", "cha", "lab", "mlf"),
    *("textgrid", "eaf", "etf", "pfsx", "psfx", "flextext", "exb", "cue", "m3u", "m3u8", "pls"),
    *("jpg", "jpeg", "png", "gif", "bmp", "tif", "tiff", "webp", "heic", "svg"),
    *("sfk", "pek", "pkf", "reapeaks", "asd", "aup", "aup3", "rpp", "sesx"),
}


def is_side_file(name: str) -> bool:
    """True if a file's name says that it lies beside recordings; then no batch takes it."""
    return name.lower() in _NAMES or (name.lower().rpartition(".")[2] in _EXTENSIONS and "." in name)
