"""The report: one self-contained page that says how good each dialect's voice is, how surely, and on whose consent."""

from model.report.page import ReportInfo, build

__all__ = ["ReportInfo", "build"]
