"""What a page shows: panels, charts, grids, tables, references."""
