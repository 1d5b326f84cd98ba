"""The tiny chapter's tables."""

from core.runs.tables import Table, declared, number, whole

TABLES = declared([Table("errors", {"point": whole(), "error": number()})])
