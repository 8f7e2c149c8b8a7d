-- The words of resources, and where locations are. Resources that were stored before have such rows once they are
-- indexed again.

-- Only the index of the words is kept, by `resource.rid`: `narrative` those of `_text`, `content` those of `_content`.
CREATE VIRTUAL TABLE words USING fts5(
    narrative, content, content='', contentless_delete=1, tokenize='ascii', detail='column'
);
CREATE TABLE position (
    p INTEGER, latitude REAL, rid INTEGER, longitude REAL, element INTEGER,
    PRIMARY KEY (p, latitude, rid, longitude, element)
) WITHOUT ROWID;
