"""From what happened to tables: rows, ids, instants and words; nothing here moves the world."""
