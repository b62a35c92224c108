"""Management: data, leads, campaigns and offers."""
