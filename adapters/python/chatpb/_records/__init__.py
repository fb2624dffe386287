"""Records by their wire bytes: the parts of a record, and the columns that people filter records by."""
