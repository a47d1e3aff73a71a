"""Questions to the catalog: images, filters, searches, duplicates, what people said."""
