BEGIN TRANSACTION;
CREATE TABLE blocked_gifs (
	platform VARCHAR(16) NOT NULL,
	workspace VARCHAR(64) NOT NULL,
	provider VARCHAR(32) NOT NULL,
	gif VARCHAR(200) NOT NULL,
	title VARCHAR(500) NOT NULL,
	at FLOAT NOT NULL,
	PRIMARY KEY (platform, workspace, provider, gif)
);
INSERT INTO "blocked_gifs" VALUES('slack','T1','giphy','blocked','A blocked GIF',1764000000.0);
CREATE TABLE favourites (
	platform VARCHAR(16) NOT NULL,
	workspace VARCHAR(64) NOT NULL,
	person VARCHAR(64) NOT NULL,
	provider VARCHAR(32) NOT NULL,
	gif VARCHAR(200) NOT NULL,
	title VARCHAR(500) NOT NULL,
	at FLOAT NOT NULL,
	PRIMARY KEY (platform, workspace, person, provider, gif)
);
INSERT INTO "favourites" VALUES('slack','T1','U1','klipy','starred','A starred GIF',1764000000.0);
CREATE TABLE jobs (
	platform VARCHAR(16) NOT NULL,
	name VARCHAR(200) NOT NULL,
	workspace VARCHAR(64) NOT NULL,
	state VARCHAR(16) NOT NULL,
	sealed TEXT NOT NULL,
	lease FLOAT NOT NULL,
	at FLOAT NOT NULL,
	PRIMARY KEY (platform, name)
);
INSERT INTO "jobs" VALUES('slack','command:open','T1','accepted','gAAAAABpJIEAYEDuNZ4dRvdv4SzEVORBTCgPvYq44byeT7ZFvwxd4Q_77DRRQpCfZ04_fTf6zus7ki4BuuTHXjqCCs0N6N56qzgezSpbCBXRxOM-FoMB1PD2hNfD7h3fMUj6ZVfdHAYA1DQJk1Au0QRk5nW4yWCXAxlEfWXvB8A3kMy4kqF6u_rlwRvUxYK_WfX3y_aGbtRuuf2PYVGwbeKWG0I6P0zLTeknWiuClacQ6Rr6OVouoycBJ6hljOwpkQbv_m4Yv2rgKwu_1ZRxKrVCXigPnPN0yvFE2hp3ceGQP26LCS28v3GoHoim92O9rpaneuY4iFpn4JpbrHTzCwZ8OvnrlyuUPy0NVDXQX95qwn3pizd69Cnb1iRUd4p-8xPGciVwKhv3',1764000020.0,1764000000.0);
INSERT INTO "jobs" VALUES('slack','command:done','T1','done','',1764000020.0,1764000000.0);
CREATE TABLE posted (
	platform VARCHAR(16) NOT NULL,
	workspace VARCHAR(64) NOT NULL,
	channel VARCHAR(64) NOT NULL,
	provider VARCHAR(32) NOT NULL,
	gif VARCHAR(200) NOT NULL,
	at FLOAT NOT NULL,
	PRIMARY KEY (platform, workspace, channel, provider, gif)
);
INSERT INTO "posted" VALUES('slack','T1','C1','giphy','posted',1764000000.0);
CREATE TABLE preferences (
	platform VARCHAR(16) NOT NULL,
	workspace VARCHAR(64) NOT NULL,
	scope VARCHAR(16) NOT NULL,
	subject VARCHAR(64) NOT NULL,
	chosen JSON NOT NULL,
	PRIMARY KEY (platform, workspace, scope, subject)
);
INSERT INTO "preferences" VALUES('slack','T1','workspace','','{"max_rating": "pg", "blocked_words": ["dog", "cat"], "off_channels": ["C9"], "repeat_hours": 3.0}');
INSERT INTO "preferences" VALUES('slack','T1','channel','C1','{"preview": true}');
INSERT INTO "preferences" VALUES('slack','T1','person','U1','{"preview": false}');
CREATE TABLE schema_version (
	version INTEGER NOT NULL,
	PRIMARY KEY (version)
);
INSERT INTO "schema_version" VALUES(1);
CREATE TABLE showings (
	name VARCHAR(32) NOT NULL,
	platform VARCHAR(16) NOT NULL,
	workspace VARCHAR(64) NOT NULL,
	channel VARCHAR(64) NOT NULL,
	person VARCHAR(64) NOT NULL,
	message VARCHAR(64) NOT NULL,
	sealed TEXT NOT NULL,
	at FLOAT NOT NULL,
	PRIMARY KEY (name)
);
INSERT INTO "showings" VALUES('session','slack','T1','C1','U1','7.1','gAAAAABpJIEA-Sm8TeSdWgLHZJ-YSbVM0lXo9CKmZc29XFVfPjSadb_t7djSNXTcWOKzUFpIZaNHW_C0lvtSNprX5KI8TL9ka4qvZwbuLq9x9dc2FuSwlhizzqNX-zLaxS655DAZfpJeZ_Jjmb7BXdcnJ9WGn8Vn15Prjv-inaThxD0EZS7pEC9xCbgYxC8Tv1oURejFZCxIZUHZzz4gKLfPtFO_uXTfjvpiCY5XnU0K9Sfs_Olcy-MycHjXY681yA1bAcrQ0dhZ',1764000000.0);
CREATE INDEX showings_of ON showings (platform, workspace, channel, person);
CREATE INDEX jobs_waiting ON jobs (platform, state, lease);
COMMIT;
