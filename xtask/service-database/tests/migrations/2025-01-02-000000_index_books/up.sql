CREATE INDEX CONCURRENTLY books_id_idx ON books (id);
