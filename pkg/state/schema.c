/* schema.c - state.db: its tables and every statement that the package runs. */
#include "state/internal.h"

/* regmirror-state(5) describes these tables; change both together, by a new migration. */
const char *const state_migrations[] = {
	/* A repository at a target.  Named once: 100,000 locations would repeat it otherwise. */
	"CREATE TABLE place ("
	" id INTEGER PRIMARY KEY,"
	" target TEXT NOT NULL,"
	" repository TEXT NOT NULL,"
	" UNIQUE (target, repository)"
	") STRICT;"
	/* What was published.  source: at the authority; published: at the target. */
	"CREATE TABLE tag ("
	" place INTEGER NOT NULL REFERENCES place,"
	" name TEXT NOT NULL,"
	" authority TEXT NOT NULL,"
	" source_repository TEXT NOT NULL,"
	" source BLOB NOT NULL,"
	" published BLOB NOT NULL,"
	" selection TEXT NOT NULL,"
	" changed_at INTEGER NOT NULL,"
	" confirmed_at INTEGER NOT NULL,"
	" seen_at INTEGER NOT NULL,"
	" PRIMARY KEY (place, name)"
	") STRICT, WITHOUT ROWID;"
	/* By digest first: a mount asks where else a blob is. */
	"CREATE TABLE location ("
	" digest BLOB NOT NULL,"
	" place INTEGER NOT NULL REFERENCES place,"
	" PRIMARY KEY (digest, place)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX location_place ON location (place);"
	"CREATE TABLE release_set ("
	/* Numbers are not used again: a journal row of an old set can never be taken for a new
	   one's. */
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" rule TEXT NOT NULL"
	") STRICT;"
	/* Names in full, not a place: a pending move must be readable whatever is forgotten. */
	"CREATE TABLE move ("
	" release_set INTEGER NOT NULL REFERENCES release_set ON DELETE CASCADE,"
	" position INTEGER NOT NULL,"
	" target TEXT NOT NULL,"
	" repository TEXT NOT NULL,"
	" tag TEXT NOT NULL,"
	" old BLOB,"
	" new BLOB NOT NULL,"
	" source BLOB NOT NULL,"
	" authority TEXT NOT NULL,"
	" source_repository TEXT NOT NULL,"
	" selection TEXT NOT NULL,"
	" media_type TEXT NOT NULL,"
	" done INTEGER NOT NULL,"
	" PRIMARY KEY (release_set, position)"
	") STRICT, WITHOUT ROWID;"
	"CREATE UNIQUE INDEX move_tag ON move (release_set, target, repository, tag);"
	/* For `status`: the last run of each rule at each target, and of each source. */
	"CREATE TABLE run ("
	" rule TEXT NOT NULL,"
	" target TEXT NOT NULL,"
	" started_at INTEGER NOT NULL,"
	" ended_at INTEGER NOT NULL,"
	" last_success INTEGER NOT NULL,"
	" images INTEGER NOT NULL,"
	" failed INTEGER NOT NULL,"
	" bytes INTEGER NOT NULL,"
	" error TEXT,"
	" error_at INTEGER NOT NULL,"
	" PRIMARY KEY (rule, target)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE source ("
	" upstream TEXT NOT NULL,"
	" source TEXT NOT NULL,"
	" last_contact INTEGER NOT NULL,"
	" requests INTEGER NOT NULL,"
	" bytes INTEGER NOT NULL,"
	" failures INTEGER NOT NULL,"
	" error TEXT,"
	" error_at INTEGER NOT NULL,"
	" PRIMARY KEY (upstream, source)"
	") STRICT, WITHOUT ROWID;",

	"ALTER TABLE source ADD COLUMN role TEXT;"
	"ALTER TABLE run ADD COLUMN note TEXT;"
	/* What was measured of sources: a row for each host that gave bytes. */
	"CREATE TABLE estimate ("
	" upstream TEXT NOT NULL,"
	" source TEXT NOT NULL,"
	" backend TEXT NOT NULL,"
	" rate REAL NOT NULL,"
	" rate_variance REAL NOT NULL,"
	" rate_samples INTEGER NOT NULL,"
	" rate_at INTEGER NOT NULL,"
	" histogram BLOB,"
	" histogram_at INTEGER NOT NULL,"
	" rtt_us INTEGER NOT NULL,"
	" rtt_at INTEGER NOT NULL,"
	/* The last time that anything was learnt of it. */
	" newest_at INTEGER NOT NULL GENERATED ALWAYS AS"
	"  (max(rate_at, histogram_at, rtt_at)) VIRTUAL,"
	" PRIMARY KEY (upstream, source, backend)"
	") STRICT, WITHOUT ROWID;"
	/* By id, not by time: the clock may have jumped between two cases. */
	"CREATE TABLE strike ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" upstream TEXT NOT NULL,"
	" source TEXT NOT NULL,"
	" at INTEGER NOT NULL,"
	" digest BLOB NOT NULL,"
	" evidence TEXT NOT NULL"
	") STRICT;"
	/* What a tag was at its authority, one row for each move: a digest may come back. */
	"CREATE TABLE version ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" authority TEXT NOT NULL,"
	" repository TEXT NOT NULL,"
	" tag TEXT NOT NULL,"
	" digest BLOB NOT NULL,"
	" first_seen INTEGER NOT NULL"
	") STRICT;"
	"CREATE INDEX version_tag ON version (authority, repository, tag, id);"
	"CREATE TABLE answer ("
	" authority TEXT NOT NULL,"
	" repository TEXT NOT NULL,"
	" tag TEXT NOT NULL,"
	" digest BLOB," /* NULL: not there */
	" answered_at INTEGER NOT NULL,"
	" due_at INTEGER NOT NULL,"
	" PRIMARY KEY (authority, repository, tag)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE observation ("
	" upstream TEXT NOT NULL,"
	" source TEXT NOT NULL,"
	" repository TEXT NOT NULL,"
	" tag TEXT NOT NULL,"
	" freshness TEXT NOT NULL,"
	" digest BLOB,"
	" lag_sec INTEGER NOT NULL,"
	" at INTEGER NOT NULL,"
	" PRIMARY KEY (upstream, source, repository, tag)"
	") STRICT, WITHOUT ROWID;",
	NULL,
};

#define TAG_COLUMNS                                                                \
	"SELECT t.authority, t.source_repository, p.target, p.repository, t.name," \
	" t.selection, t.source, t.published, t.changed_at, t.confirmed_at, t.seen_at"

const char *const state_statements[] = {
	[STMT_PLACE_FIND] = "SELECT id FROM place WHERE target = ?1 AND repository = ?2",
	[STMT_PLACE_PUT] = "INSERT INTO place (target, repository) VALUES (?1, ?2)",
	[STMT_PLACE_HAS_TAGS] = "SELECT EXISTS (SELECT 1 FROM tag t WHERE t.place = p.id)"
				" FROM place p WHERE p.target = ?1 AND p.repository = ?2",
	[STMT_TAG_GET] = TAG_COLUMNS " FROM place p JOIN tag t ON t.place = p.id AND t.name = ?3"
				     " WHERE p.target = ?1 AND p.repository = ?2",
	[STMT_TAG_PUT] = "INSERT OR REPLACE INTO tag (place, name, authority, source_repository,"
			 " selection, source, published, changed_at, confirmed_at, seen_at)"
			 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
	[STMT_TAG_FORGET] = "DELETE FROM tag WHERE name = ?3 AND place ="
			    " (SELECT id FROM place WHERE target = ?1 AND repository = ?2)",
	[STMT_TAGS_FORGET] = "DELETE FROM tag WHERE place ="
			     " (SELECT id FROM place WHERE target = ?1 AND repository = ?2)",
	[STMT_TAGS] = TAG_COLUMNS " FROM place p JOIN tag t ON t.place = p.id"
				  " WHERE p.target = ?1 AND (?2 IS NULL OR p.repository = ?2)"
				  " ORDER BY p.repository, t.name",
	[STMT_LOCATION_PUT] = "INSERT INTO location (digest, place) VALUES (?1, ?2)"
			      " ON CONFLICT DO NOTHING",
	[STMT_LOCATION_HAS] = "SELECT 1 FROM place p"
			      " JOIN location l ON l.digest = ?3 AND l.place = p.id"
			      " WHERE p.target = ?1 AND p.repository = ?2",
	[STMT_LOCATION_ANY] = "SELECT p.repository FROM location l JOIN place p ON p.id = l.place"
			      " WHERE l.digest = ?2 AND p.target = ?1 ORDER BY l.place LIMIT 1",
	[STMT_LOCATION_FORGET] = "DELETE FROM location WHERE digest = ?3 AND place ="
				 " (SELECT id FROM place WHERE target = ?1 AND repository = ?2)",
	[STMT_LOCATIONS_FORGET] = "DELETE FROM location WHERE place ="
				  " (SELECT id FROM place WHERE target = ?1 AND repository = ?2)",
	[STMT_SET_PUT] = "INSERT INTO release_set (rule) VALUES (?1)",
	[STMT_SET_END] = "DELETE FROM release_set WHERE id = ?1",
	[STMT_MOVE_PUT] = "INSERT INTO move (release_set, position, target, repository, tag,"
			  " authority, source_repository, selection, media_type, old, new, source,"
			  " done) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
	[STMT_MOVE_DONE] = "UPDATE move SET done = 1 WHERE release_set = ?1 AND target = ?2"
			   " AND repository = ?3 AND tag = ?4",
	[STMT_MOVES] = "SELECT release_set, target, repository, tag, authority, source_repository,"
		       " selection, media_type, old, new, source, done FROM move"
		       " ORDER BY release_set, position",
	/* A run without a success or an error keeps what is remembered of earlier ones. */
	[STMT_RUN_PUT] =
		"INSERT INTO run (rule, target, started_at, ended_at, last_success, images, failed,"
		" bytes, error, error_at, note)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
		" ON CONFLICT DO UPDATE SET started_at = excluded.started_at,"
		" ended_at = excluded.ended_at,"
		" last_success = max(last_success, excluded.last_success),"
		" images = excluded.images, failed = excluded.failed, bytes = excluded.bytes,"
		" error_at = iif(excluded.error IS NULL, error_at, excluded.error_at),"
		" error = coalesce(excluded.error, error), note = excluded.note",
	[STMT_RUNS] = "SELECT rule, target, started_at, ended_at, last_success, images, failed,"
		      " bytes, error, error_at, note FROM run ORDER BY rule, target",
	[STMT_SOURCE_PUT] =
		"INSERT INTO source (upstream, source, last_contact, requests, bytes, failures,"
		" error, error_at, role) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
		" ON CONFLICT DO UPDATE SET"
		" last_contact = max(last_contact, excluded.last_contact),"
		" requests = excluded.requests, bytes = excluded.bytes,"
		" failures = excluded.failures, role = coalesce(excluded.role, role),"
		" error_at = iif(excluded.error IS NULL, error_at, excluded.error_at),"
		" error = coalesce(excluded.error, error)",
	[STMT_SOURCES] = "SELECT upstream, source, last_contact, requests, bytes, failures, error,"
			 " error_at, role FROM source ORDER BY upstream, source",
	[STMT_ESTIMATE_PUT] =
		"INSERT OR REPLACE INTO estimate (upstream, source, backend, rate, rate_variance,"
		" rate_samples, rate_at, histogram, histogram_at, rtt_us, rtt_at)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
	/* Never the row just put: after a clock that jumped back it looks like the oldest. */
	[STMT_ESTIMATES_CUT] =
		"DELETE FROM estimate WHERE upstream = ?1 AND source = ?2 AND backend IN"
		" (SELECT backend FROM estimate WHERE upstream = ?1 AND source = ?2"
		"  AND backend != ?3 ORDER BY newest_at DESC, backend LIMIT -1 OFFSET ?4)",
	[STMT_ESTIMATES] =
		"SELECT upstream, source, backend, rate, rate_variance, rate_samples, rate_at,"
		" histogram, histogram_at, rtt_us, rtt_at FROM estimate"
		" WHERE ?1 IS NULL OR upstream = ?1 ORDER BY upstream, source, backend",
	[STMT_ESTIMATES_EXPIRE] = "DELETE FROM estimate WHERE newest_at < ?1",
	[STMT_STRIKE_PUT] = "INSERT INTO strike (upstream, source, at, digest, evidence)"
			    " VALUES (?1, ?2, ?3, ?4, ?5)",
	[STMT_STRIKES_CUT] = "DELETE FROM strike WHERE id IN"
			     " (SELECT id FROM strike ORDER BY id DESC LIMIT -1 OFFSET ?1)",
	[STMT_STRIKES] = "SELECT upstream, source, at, digest, evidence FROM strike"
			 " WHERE ?1 IS NULL OR upstream = ?1 ORDER BY id DESC",
	[STMT_VERSION_PUT] = "INSERT INTO version (authority, repository, tag, digest, first_seen)"
			     " VALUES (?1, ?2, ?3, ?4, ?5)",
	[STMT_VERSION_NEWEST] = "SELECT digest FROM version WHERE authority = ?1"
				" AND repository = ?2 AND tag = ?3 ORDER BY id DESC LIMIT 1",
	[STMT_VERSIONS] = "SELECT digest, first_seen FROM"
			  " (SELECT id, digest, first_seen FROM version WHERE authority = ?1"
			  "  AND repository = ?2 AND tag = ?3 ORDER BY id DESC LIMIT ?4)"
			  " ORDER BY id",
	[STMT_VERSIONS_CUT] =
		"DELETE FROM version WHERE id IN (SELECT id FROM version WHERE authority = ?1"
		" AND repository = ?2 AND tag = ?3 ORDER BY id DESC LIMIT -1 OFFSET ?4)",
	[STMT_ANSWER_GET] = "SELECT authority, repository, tag, digest, answered_at, due_at"
			    " FROM answer WHERE authority = ?1 AND repository = ?2 AND tag = ?3",
	[STMT_ANSWER_PUT] = "INSERT OR REPLACE INTO answer"
			    " (authority, repository, tag, digest, answered_at, due_at)"
			    " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[STMT_ANSWER_DOUBT] = "INSERT INTO answer (authority, repository, tag, answered_at, due_at)"
			      " VALUES (?1, ?2, ?3, 0, 0) ON CONFLICT DO UPDATE SET due_at = 0",
	[STMT_OBSERVATION_PUT] =
		"INSERT OR REPLACE INTO observation"
		" (upstream, source, repository, tag, freshness, digest, lag_sec, at)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[STMT_OBSERVATIONS] =
		"SELECT upstream, source, repository, tag, freshness, digest, lag_sec, at"
		" FROM observation WHERE ?1 IS NULL OR upstream = ?1"
		" ORDER BY upstream, source, repository, tag",
	[STMT_OBSERVED_AT] = "SELECT at FROM observation WHERE upstream = ?1 AND source = ?2"
			     " AND repository = ?3 AND tag = ?4",
	[STMT_MAX_] = NULL,
};
