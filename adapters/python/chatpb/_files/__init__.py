"""Files of documents: their formats, framing and compression."""
