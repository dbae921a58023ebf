"""The report: content once, in blocks; then rendered as PDF, DOCX and a page, in Chinese and English."""
