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

	/* 2: referrers, and what collectors tell the other programs. */
	"CREATE TABLE subject ("
	" manifest INTEGER PRIMARY KEY REFERENCES blob ON DELETE CASCADE,"
	" digest BLOB NOT NULL" /* not a row of blob: a subject may be missing */
	") STRICT;"
	"CREATE INDEX subject_digest ON subject (digest);"
	"CREATE TABLE unread (" /* manifests from before there was `subject` */
	" manifest INTEGER PRIMARY KEY REFERENCES blob ON DELETE CASCADE"
	") STRICT;"
	"INSERT INTO unread SELECT id FROM blob WHERE type IS NOT NULL;"
	"CREATE TABLE grace (" /* one row */
	" id INTEGER PRIMARY KEY CHECK (id = 1),"
	" sec INTEGER NOT NULL,"
	" since INTEGER NOT NULL,"
	" before INTEGER NOT NULL"
	") STRICT;"
	"INSERT INTO grace VALUES (1, 86400, 0, 0);", /* COLLECT_GRACE_SEC */
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

/*
 * What keeps a row of blob (b): something leads to it, or somebody was told of it
 * since ?1; ?2 is now.  The references of a row that goes are removed with it, so garbage is
 * taken from the top.
 */
#define IS_FREE                                                  \
	" b.seen < ?1"                                           \
	" AND NOT EXISTS (SELECT 1 FROM ref WHERE child = b.id)" \
	" AND NOT EXISTS (SELECT 1 FROM tag WHERE blob = b.id)"  \
	" AND NOT EXISTS (SELECT 1 FROM lease WHERE digest = b.digest AND until >= ?2)"

/* A referrer stays with its subject: both are in one repository. */
#define HAS_SUBJECT                                                           \
	" EXISTS (SELECT 1 FROM subject s JOIN blob x ON x.digest = s.digest" \
	"  JOIN link lx ON lx.blob = x.id"                                    \
	"  JOIN link ly ON ly.repo = lx.repo AND ly.blob = b.id"              \
	"  WHERE s.manifest = b.id)"

/* The same from the other end: all that tags, leases and, with `roots`, young rows lead to. */
#define LIVE(name, roots)                                                              \
	name " (id) AS ("                                                              \
	     " SELECT blob FROM tag"                                                   \
	     " UNION SELECT b.id FROM lease l JOIN blob b ON b.digest = l.digest"      \
	     "  WHERE l.until >= ?2" roots " UNION SELECT r.child FROM " name          \
	     " AS p JOIN ref r ON r.parent = p.id"                                     \
	     " UNION SELECT s.manifest FROM " name                                     \
	     " AS p JOIN blob x ON x.id = p.id AND x.type IS NOT NULL"                 \
	     "  JOIN subject s ON s.digest = x.digest"                                 \
	     "  WHERE EXISTS (SELECT 1 FROM link lx JOIN link ly ON ly.repo = lx.repo" \
	     "   AND ly.blob = s.manifest WHERE lx.blob = x.id)"                       \
	     ")"
#define YOUNG " UNION SELECT id FROM blob WHERE seen >= ?1"

/* In a repository, by its name. */
#define IN_REPOSITORY(name) \
	" JOIN repo r ON r.name = " name " JOIN link l ON l.repo = r.id AND l.blob = b.id"

/* Whether a tag of repository ?2 leads to manifest ?1 through an index. */
static const char under_tag_sql[] =
	"WITH RECURSIVE above (id) AS ("
	" SELECT parent FROM ref WHERE child = ?1"
	" UNION"
	" SELECT r.parent FROM above a JOIN ref r ON r.child = a.id"
	")"
	" SELECT t.name FROM above a JOIN tag t ON t.blob = a.id AND t.repo = ?2 LIMIT 1";

const char *const store_statements[] = {
	[STMT_SAVEPOINT] = "SAVEPOINT one",
	[STMT_SAVEPOINT_UNDO] = "ROLLBACK TO one",
	[STMT_SAVEPOINT_RELEASE] = "RELEASE one",
	[STMT_BLOB_FIND] = "SELECT id, size, seen, type IS NOT NULL FROM blob WHERE digest = ?1",
	[STMT_BLOB_PUT] = "INSERT INTO blob (digest, size, type, seen) VALUES (?1, ?2, ?3, ?4)"
			  " ON CONFLICT (digest) DO UPDATE SET seen = max(seen, excluded.seen),"
			  " type = coalesce(excluded.type, type) RETURNING id",
	[STMT_BLOB_SEEN] = "UPDATE blob SET seen = max(seen, ?2) WHERE id = ?1",
	/* An id may be another blob's by now. */
	[STMT_BLOB_SEEN_SURELY] =
		"UPDATE blob SET seen = max(seen, ?2) WHERE id = ?1 AND digest = ?3",
	[STMT_BLOB_IN_REPO] = "SELECT b.id, b.size, b.seen, b.type IS NOT NULL"
			      " FROM blob b" IN_REPOSITORY("?2") " WHERE b.digest = ?1",
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
	[STMT_REPO_NEXT] = "SELECT name FROM repo r WHERE name > ?1"
			   " AND EXISTS (SELECT 1 FROM link WHERE repo = r.id)"
			   " ORDER BY name LIMIT ?2",
	[STMT_REPO_HAS] = "SELECT 1 FROM repo r WHERE name = ?1"
			  " AND EXISTS (SELECT 1 FROM link WHERE repo = r.id)",
	[STMT_REPO_STALE] = "SELECT id, name FROM repo WHERE changed <> written AND id > ?1"
			    " ORDER BY id LIMIT 1",
	[STMT_LINK_PUT] = "INSERT INTO link (repo, blob) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
	[STMT_LINK_DROP] = "DELETE FROM link WHERE repo = ?1 AND blob = ?2",
	[STMT_LINK_NEEDED] = "SELECT 1 FROM link l WHERE l.repo = ?1 AND l.blob IN"
			     " (SELECT parent FROM ref WHERE child = ?2)"
			     " UNION ALL SELECT 1 FROM tag WHERE repo = ?1 AND blob = ?2 LIMIT 1",
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
	[STMT_TAG_DROP] = "DELETE FROM tag WHERE repo = ?1 AND name = ?2",
	[STMT_TAG_DROP_ALL] = "DELETE FROM tag WHERE repo = ?1 AND blob = ?2",
	[STMT_TAG_ABOVE] = under_tag_sql,
	[STMT_TAG_NEXT] = "SELECT t.name, b.digest, b.size, coalesce(b.type, '') FROM tag t"
			  " JOIN blob b ON b.id = t.blob"
			  " WHERE t.repo = ?1 AND t.name > ?2 ORDER BY t.name LIMIT ?3",
	[STMT_LEASE_PUT] = "INSERT INTO lease (holder, digest, until) VALUES (?1, ?2, ?3)"
			   " ON CONFLICT DO UPDATE SET until = excluded.until",
	[STMT_LEASE_DROP] = "DELETE FROM lease WHERE holder = ?1 AND digest = ?2",
	[STMT_LEASE_DROP_HOLDER] = "DELETE FROM lease WHERE holder = ?1",
	[STMT_LEASE_EXPIRE] = "DELETE FROM lease WHERE until < ?1",
	[STMT_SUBJECT_PUT] = "INSERT INTO subject (manifest, digest) VALUES (?1, ?2)"
			     " ON CONFLICT DO NOTHING",
	[STMT_REFERRER_NEXT] = "SELECT b.id, b.size, b.seen, b.digest, b.type"
			       " FROM subject s JOIN blob b ON b.id = s.manifest" IN_REPOSITORY(
				       "?2") " WHERE s.digest = ?1 AND b.id > ?3"
					     " AND b.type IS NOT NULL ORDER BY b.id LIMIT ?4",
	[STMT_UNREAD_NEXT] = "SELECT b.id, b.digest, b.size, b.type FROM unread u"
			     " JOIN blob b ON b.id = u.manifest ORDER BY b.id LIMIT ?1",
	[STMT_UNREAD_DROP] = "DELETE FROM unread WHERE manifest = ?1",
	[STMT_GRACE_GET] = "SELECT sec, since, before FROM grace WHERE id = 1",
	[STMT_GRACE_PUT] = "UPDATE grace SET sec = ?1, since = ?2, before = ?3 WHERE id = 1",
	[STMT_FREE_NEXT] = "SELECT b.id FROM blob b WHERE b.id < ?3 AND" IS_FREE
			   " AND NOT" HAS_SUBJECT " ORDER BY b.id DESC LIMIT ?4",
	[STMT_FREE_DROP] = "DELETE FROM blob AS b WHERE b.id = ?3 AND" IS_FREE
			   " AND (?4 OR NOT" HAS_SUBJECT ")"
			   " RETURNING digest, size, type IS NOT NULL",
	[STMT_DOOMED_PUT] = "INSERT INTO doomed (digest) VALUES (?1) ON CONFLICT DO NOTHING",
	[STMT_DOOMED_NEXT] = "SELECT digest FROM doomed LIMIT ?1",
	[STMT_GARBAGE] = "WITH RECURSIVE " LIVE(
		"live", YOUNG) " SELECT b.id, b.digest, b.size,"
			       " b.type IS NOT NULL FROM blob b WHERE b.id NOT IN live"
			       " ORDER BY b.id DESC LIMIT ?3",
	[STMT_CENSUS] = "WITH RECURSIVE " LIVE("live", YOUNG) ", " LIVE(
		"led", "") " SELECT"
			   " (SELECT count(*) FROM live) - (SELECT count(*) FROM led),"
			   " (SELECT count(*) FROM blob) - (SELECT count(*) FROM live)",
	[STMT_MAX_] = NULL,
};
