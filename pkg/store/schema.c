/* schema.c - index.db: its tables and every statement that the store runs. */
#include "store/internal.h"

/*
 * regmirror-store(5) describes these tables; change both together, by a new
 * migration.  Foreign keys are part of the design: a row of blob cannot go while
 * a reference or a tag points at it, whatever a collector believes.
 */
const char *const store_migrations[] = {
	"CREATE TABLE blob ("
	" id INTEGER PRIMARY KEY,"
	" digest BLOB NOT NULL UNIQUE,"
	" size INTEGER NOT NULL,"
	" type TEXT," /* a manifest's media type; NULL: just bytes */
	" seen INTEGER NOT NULL"
	") STRICT;"
	"CREATE TABLE ref ("
	" parent INTEGER NOT NULL REFERENCES blob ON DELETE CASCADE,"
	" child INTEGER NOT NULL REFERENCES blob ON DELETE RESTRICT,"
	" kind INTEGER NOT NULL,"
	" PRIMARY KEY (parent, child)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX ref_child ON ref (child);"
	"CREATE TABLE absent ("
	" digest BLOB NOT NULL,"
	" parent INTEGER NOT NULL REFERENCES blob ON DELETE CASCADE,"
	" kind INTEGER NOT NULL,"
	" PRIMARY KEY (digest, parent)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX absent_parent ON absent (parent);"
	"CREATE TABLE repo ("
	" id INTEGER PRIMARY KEY,"
	" name TEXT NOT NULL UNIQUE,"
	" changed INTEGER NOT NULL DEFAULT 0," /* counts changes of tags */
	" written INTEGER NOT NULL DEFAULT 0"  /* the count that the layout on disk shows */
	") STRICT;"
	"CREATE INDEX repo_stale ON repo (id) WHERE changed <> written;"
	"CREATE TABLE link ("
	" repo INTEGER NOT NULL REFERENCES repo ON DELETE CASCADE,"
	" blob INTEGER NOT NULL REFERENCES blob ON DELETE CASCADE,"
	" PRIMARY KEY (repo, blob)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX link_blob ON link (blob);"
	"CREATE TABLE tag ("
	" repo INTEGER NOT NULL REFERENCES repo ON DELETE CASCADE,"
	" name TEXT NOT NULL,"
	" blob INTEGER NOT NULL REFERENCES blob ON DELETE RESTRICT,"
	" changed INTEGER NOT NULL,"
	" PRIMARY KEY (repo, name)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX tag_blob ON tag (blob);"
	"CREATE TABLE lease ("
	" holder TEXT NOT NULL,"
	" digest BLOB NOT NULL," /* not a row of blob: what is not here yet can be held too */
	" until INTEGER NOT NULL,"
	" PRIMARY KEY (holder, digest)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX lease_digest ON lease (digest);"
	"CREATE TABLE doomed ("
	" digest BLOB PRIMARY KEY"
	") STRICT, WITHOUT ROWID;",
	NULL,
};

/*
 * What is missing below manifest ?1 in repository ?2; ?3: an index's children may be.
 * The tree is walked through children that are manifests of this repository;
 * kinds 2 and 3 are an index's entries (enum ref_kind).
 */
static const char missing_sql[] =
	"WITH RECURSIVE tree (id) AS ("
	" SELECT ?1"
	" UNION"
	" SELECT r.child FROM tree t JOIN ref r ON r.parent = t.id AND r.kind = 2"
	"  JOIN blob b ON b.id = r.child AND b.type IS NOT NULL"
	"  JOIN link l ON l.repo = ?2 AND l.blob = r.child"
	")"
	" SELECT b.digest FROM tree t JOIN ref r ON r.parent = t.id JOIN blob b ON b.id = r.child"
	"  WHERE r.kind > 0 AND NOT (?3 AND r.kind >= 2)"
	"  AND (r.kind = 2 AND b.type IS NULL"
	"   OR NOT EXISTS (SELECT 1 FROM link l WHERE l.repo = ?2 AND l.blob = r.child))"
	" UNION ALL"
	" SELECT a.digest FROM tree t JOIN absent a ON a.parent = t.id"
	"  WHERE a.kind > 0 AND NOT (?3 AND a.kind >= 2)"
	" LIMIT 1";

const char *const store_statements[] = {
	[STMT_SAVEPOINT] = "SAVEPOINT one",
	[STMT_SAVEPOINT_UNDO] = "ROLLBACK TO one",
	[STMT_SAVEPOINT_RELEASE] = "RELEASE one",
	[STMT_BLOB_FIND] = "SELECT id, size, seen, type IS NOT NULL FROM blob WHERE digest = ?1",
	[STMT_BLOB_PUT] = "INSERT INTO blob (digest, size, type, seen) VALUES (?1, ?2, ?3, ?4)"
			  " ON CONFLICT (digest) DO UPDATE SET seen = max(seen, excluded.seen),"
			  " type = coalesce(excluded.type, type) RETURNING id",
	[STMT_BLOB_SEEN] = "UPDATE blob SET seen = max(seen, ?2) WHERE id = ?1",
	[STMT_DOOMED_DROP] = "DELETE FROM doomed WHERE digest = ?1",
	[STMT_ABSENT_FILL] = "INSERT INTO ref (parent, child, kind)"
			     " SELECT parent, ?2, kind FROM absent WHERE digest = ?1"
			     " ON CONFLICT DO UPDATE SET kind = max(kind, excluded.kind)",
	[STMT_ABSENT_DROP] = "DELETE FROM absent WHERE digest = ?1",
	[STMT_ABSENT_PUT] = "INSERT INTO absent (digest, parent, kind) VALUES (?1, ?2, ?3)"
			    " ON CONFLICT DO UPDATE SET kind = max(kind, excluded.kind)",
	[STMT_REF_PUT] = "INSERT INTO ref (parent, child, kind) VALUES (?1, ?2, ?3)"
			 " ON CONFLICT DO UPDATE SET kind = max(kind, excluded.kind)",
	[STMT_REPO_PUT] = "INSERT INTO repo (name) VALUES (?1) ON CONFLICT DO NOTHING",
	[STMT_REPO_FIND] = "SELECT id, changed FROM repo WHERE name = ?1",
	[STMT_REPO_CHANGED] = "UPDATE repo SET changed = changed + 1 WHERE id = ?1",
	[STMT_REPO_WRITTEN] = "UPDATE repo SET written = ?2 WHERE id = ?1",
	[STMT_REPO_NEXT] = "SELECT name FROM repo WHERE name > ?1 ORDER BY name LIMIT ?2",
	[STMT_REPO_STALE] = "SELECT id, name FROM repo WHERE changed <> written AND id > ?1"
			    " ORDER BY id LIMIT 1",
	[STMT_LINK_PUT] = "INSERT INTO link (repo, blob) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
	[STMT_MANIFEST_FIND] = "SELECT b.id, b.size, b.seen, b.type FROM blob b"
			       " JOIN repo r ON r.name = ?1"
			       " JOIN link l ON l.repo = r.id AND l.blob = b.id"
			       " WHERE b.digest = ?2 AND b.type IS NOT NULL",
	[STMT_MISSING] = missing_sql,
	[STMT_TAG_FIND] = "SELECT b.id, b.size, b.seen, b.digest FROM repo r"
			  " JOIN tag t ON t.repo = r.id AND t.name = ?2"
			  " JOIN blob b ON b.id = t.blob WHERE r.name = ?1",
	[STMT_TAG_PUT] =
		"INSERT INTO tag (repo, name, blob, changed) VALUES (?1, ?2, ?3, ?4)"
		" ON CONFLICT DO UPDATE SET blob = excluded.blob, changed = excluded.changed"
		" WHERE blob <> excluded.blob",
	[STMT_TAG_NEXT] = "SELECT t.name, b.digest, b.size, coalesce(b.type, '') FROM tag t"
			  " JOIN blob b ON b.id = t.blob"
			  " WHERE t.repo = ?1 AND t.name > ?2 ORDER BY t.name LIMIT ?3",
	[STMT_LEASE_PUT] = "INSERT INTO lease (holder, digest, until) VALUES (?1, ?2, ?3)"
			   " ON CONFLICT DO UPDATE SET until = excluded.until",
	[STMT_LEASE_DROP] = "DELETE FROM lease WHERE holder = ?1 AND digest = ?2",
	[STMT_LEASE_DROP_HOLDER] = "DELETE FROM lease WHERE holder = ?1",
	[STMT_LEASE_EXPIRE] = "DELETE FROM lease WHERE until < ?1",
	[STMT_MAX_] = NULL,
};
