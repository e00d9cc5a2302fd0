BEGIN TRANSACTION;
CREATE TABLE calls (budget TEXT NOT NULL, at REAL NOT NULL);
INSERT INTO "calls" VALUES('GIPHY:ad44dc8e51cfbfa5',1.79581212136824822428e+09);
INSERT INTO "calls" VALUES('Klipy:ad44dc8e51cfbfa5',1.7958121213687756061e+09);
INSERT INTO "calls" VALUES('GIPHY:ad44dc8e51cfbfa5',1.79581212137553834912e+09);
INSERT INTO "calls" VALUES('Klipy:ad44dc8e51cfbfa5',1.79581212137767720227e+09);
INSERT INTO "calls" VALUES('GIPHY:ad44dc8e51cfbfa5',1.79581212274045372008e+09);
INSERT INTO "calls" VALUES('Klipy:ad44dc8e51cfbfa5',1.79581212274290895466e+09);
INSERT INTO "calls" VALUES('GIPHY:ad44dc8e51cfbfa5',1.79581212274558138846e+09);
INSERT INTO "calls" VALUES('Klipy:ad44dc8e51cfbfa5',1.79581212275027799602e+09);
INSERT INTO "calls" VALUES('GIPHY:ad44dc8e51cfbfa5',1.795812123406422615e+09);
CREATE TABLE embeddings (
    space TEXT NOT NULL, provider TEXT NOT NULL, id TEXT NOT NULL,
    vector BLOB NOT NULL, -- float16, little endian
    PRIMARY KEY (space, provider, id)
) WITHOUT ROWID;
INSERT INTO "embeddings" VALUES('colours@1/2x8','folder','3e2780b032e8dcee9336',X'F53B200A150C822E');
INSERT INTO "embeddings" VALUES('colours@1/2x8','folder','a613097cad7a354a1bb7',X'1504F53B150C812E');
INSERT INTO "embeddings" VALUES('colours@1/2x8','folder','f9b13d490bbfbf301d08',X'15041F0AF53B812E');
INSERT INTO "embeddings" VALUES('colours@1/2x8','giphy','gif000',X'F63B00000000602E');
INSERT INTO "embeddings" VALUES('colours@1/2x8','giphy','gif010',X'0000F43BFF285E2E');
INSERT INTO "embeddings" VALUES('colours@1/2x8','klipy','gif000',X'F63B00000000602E');
INSERT INTO "embeddings" VALUES('colours@1/2x8','klipy','gif010',X'0000F43BFF285E2E');
INSERT INTO "embeddings" VALUES('colours@1/2x8','klipy','gif030',X'E83B712F0000552E');
INSERT INTO "embeddings" VALUES('colours@1/2x8:still','giphy','gif000',X'F63B000000005F2E');
INSERT INTO "embeddings" VALUES('colours@1/2x8:still','giphy','gif010',X'0000F43BFF285E2E');
INSERT INTO "embeddings" VALUES('colours@1/2x8:text','giphy','gif000',X'000000000000003C');
INSERT INTO "embeddings" VALUES('colours@1/2x8:text','giphy','gif010',X'000000000000003C');
INSERT INTO "embeddings" VALUES('colours@1/2x8:text','giphy','gif020',X'000000000000003C');
INSERT INTO "embeddings" VALUES('colours@1/2x8:text','klipy','gif000',X'000000000000003C');
INSERT INTO "embeddings" VALUES('colours@1/2x8:text','klipy','gif010',X'000000000000003C');
INSERT INTO "embeddings" VALUES('colours@1/2x8:text','klipy','gif020',X'000000000000003C');
INSERT INTO "embeddings" VALUES('colours@1/2x8:text','klipy','gif030',X'000000000000003C');
INSERT INTO "embeddings" VALUES('wide@2/2x8','folder','3e2780b032e8dcee9336',X'0000F53B200A150C822E');
INSERT INTO "embeddings" VALUES('wide@2/2x8','folder','a613097cad7a354a1bb7',X'00001504F53B150C812E');
INSERT INTO "embeddings" VALUES('wide@2/2x8','folder','f9b13d490bbfbf301d08',X'000015041F0AF53B812E');
INSERT INTO "embeddings" VALUES('wide@2/2x8','giphy','gif000',X'0000F63B00000000602E');
INSERT INTO "embeddings" VALUES('wide@2/2x8','giphy','gif010',X'00000000F43BFF285E2E');
INSERT INTO "embeddings" VALUES('wide@2/2x8','giphy','gif030',X'0000E83B712F0000552E');
INSERT INTO "embeddings" VALUES('wide@2/2x8','klipy','gif000',X'0000F63B00000000602E');
INSERT INTO "embeddings" VALUES('wide@2/2x8','klipy','gif010',X'00000000F43BFF285E2E');
INSERT INTO "embeddings" VALUES('wide@2/2x8','klipy','gif030',X'0000E83B712F0000552E');
INSERT INTO "embeddings" VALUES('wide@2/2x8:still','giphy','gif000',X'0000F63B000000005F2E');
INSERT INTO "embeddings" VALUES('wide@2/2x8:still','giphy','gif010',X'00000000F43BFF285E2E');
INSERT INTO "embeddings" VALUES('wide@2/2x8:still','giphy','gif030',X'0000E83B712F0000542E');
INSERT INTO "embeddings" VALUES('wide@2/2x8:text','giphy','gif000',X'0000000000000000003C');
INSERT INTO "embeddings" VALUES('wide@2/2x8:text','giphy','gif010',X'0000000000000000003C');
INSERT INTO "embeddings" VALUES('wide@2/2x8:text','giphy','gif020',X'0000000000000000003C');
INSERT INTO "embeddings" VALUES('wide@2/2x8:text','giphy','gif030',X'0000000000000000003C');
INSERT INTO "embeddings" VALUES('wide@2/2x8:text','klipy','gif000',X'0000000000000000003C');
INSERT INTO "embeddings" VALUES('wide@2/2x8:text','klipy','gif010',X'0000000000000000003C');
INSERT INTO "embeddings" VALUES('wide@2/2x8:text','klipy','gif020',X'0000000000000000003C');
INSERT INTO "embeddings" VALUES('wide@2/2x8:text','klipy','gif030',X'0000000000000000003C');
CREATE TABLE files (
    catalogue TEXT NOT NULL, path TEXT NOT NULL, -- the folder, and the path below it
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    id TEXT, width INTEGER, height INTEGER, -- NULL where the file cannot be read
    problem TEXT, -- why it cannot
    PRIMARY KEY (catalogue, path)
) WITHOUT ROWID;
INSERT INTO "files" VALUES('/FOLDER','broken.gif',19,1795812120750076672,NULL,NULL,NULL,'The picture is 8,236 x 30,050 pixels; at most 4,096 a side and 4,000,000 in all are read.');
INSERT INTO "files" VALUES('/FOLDER','lime.webp',170,1795812120749891315,'a613097cad7a354a1bb7',8,6,NULL);
INSERT INTO "files" VALUES('/FOLDER','red_ball.gif',119,1795812120540550096,'3e2780b032e8dcee9336',8,6,NULL);
INSERT INTO "files" VALUES('/FOLDER','sub/blue-sky.gif',119,1795812120541504361,'f9b13d490bbfbf301d08',8,6,NULL);
CREATE TABLE gifs (
    provider TEXT NOT NULL, id TEXT NOT NULL,
    title TEXT NOT NULL, alt_text TEXT NOT NULL, tags TEXT NOT NULL, -- JSON list
    rating TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
    url TEXT NOT NULL, -- empty unless the operator may keep addresses
    expires_at REAL NOT NULL, -- seconds since 1970
    PRIMARY KEY (provider, id)
) WITHOUT ROWID;
INSERT INTO "gifs" VALUES('giphy','gif000','Thing 0','Thing 0','["tag one", "gr\u00f6\u00dfe"]','g',200,200,'',4.94941212277754592893e+09);
INSERT INTO "gifs" VALUES('giphy','gif010','Thing 10','Thing 10','["tag one", "gr\u00f6\u00dfe"]','g',200,200,'',4.94941212277754592893e+09);
INSERT INTO "gifs" VALUES('giphy','gif020','Thing 20','Thing 20','["tag one", "gr\u00f6\u00dfe"]','g',200,200,'',4.94941212277754592893e+09);
INSERT INTO "gifs" VALUES('giphy','gif030','Thing 30','Thing 30','["tag one", "gr\u00f6\u00dfe"]','g',200,200,'',4.94941212277754592893e+09);
INSERT INTO "gifs" VALUES('klipy','gif000','Thing 0','Thing 0','["tag one", "gr\u00f6\u00dfe"]','r',200,200,'https://media.example.org/media/gif000/fixed_width_downsampled.gif?cid=abc123&ep=v1',4.94941212280178070067e+09);
INSERT INTO "gifs" VALUES('klipy','gif010','Thing 10','Thing 10','["tag one", "gr\u00f6\u00dfe"]','r',200,200,'https://media.example.org/media/gif010/fixed_width_downsampled.gif?cid=abc123&ep=v1',4.94941212280178070067e+09);
INSERT INTO "gifs" VALUES('klipy','gif020','Thing 20','Thing 20','["tag one", "gr\u00f6\u00dfe"]','r',200,200,'https://media.example.org/media/gif020/fixed_width_downsampled.gif?cid=abc123&ep=v1',4.94941212280178070067e+09);
INSERT INTO "gifs" VALUES('klipy','gif030','Thing 30','Thing 30','["tag one", "gr\u00f6\u00dfe"]','r',200,200,'https://media.example.org/media/gif030/fixed_width_downsampled.gif?cid=abc123&ep=v1',4.94941212280178070067e+09);
CREATE INDEX files_by_id ON files (catalogue, id);
CREATE INDEX gifs_by_expiry ON gifs (expires_at);
CREATE INDEX calls_by_time ON calls (budget, at);
COMMIT;
PRAGMA user_version=2;
