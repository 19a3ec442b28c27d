#include "storage/database.h"

#include <SQLiteCpp/Transaction.h>
#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/base/clock.h"
#include "proto/base/file_descriptor.h"
#include "proto/base/mutex.h"
#include "storage/database_check.h"
#include "storage/schema.h"
#include "storage/sqlite_connection.h"
#include "storage/sqlite_status.h"
#include "storage/untouched_database.h"
#include "storage/views.h"

namespace torchlap::storage {
namespace {

// Idle readers that are kept; more are opened when more read at once.
constexpr size_t kIdleReaders = 4;

// As SqliteConnection has it.
constexpr int kBusyTimeoutMs = 10'000;

// A start is not to wait longer for what a full check would find.
constexpr int64_t kCheckNs = 1'000'000'000;

// What the header of a file says, WAL included.
struct Identity {
  int32_t application_id = 0;
  uint32_t version = 0;
  bool has_tables = false;
  DatabaseFindings findings;
};

// Calls `body`; an exception of SQLite becomes a status.
template <typename Body>
absl::Status Guarded(const std::filesystem::path& file, sqlite3* connection, const Body& body) {
  try {
    return body();
  } catch (const SQLite::Exception& error) {
    return StatusOf(error, file, connection);
  }
}

// SQLite would create it with the umask's mode; its WAL takes the mode of the file.
absl::Status CreateIfMissing(const std::filesystem::path& file) {
  const FileDescriptor made(open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (made.get() >= 0 || errno == EEXIST) return absl::OkStatus();
  return StatusOfSystemError("create", file, errno);
}

absl::Status NoDatabase(const std::filesystem::path& file, const std::string& what) {
  return absl::FailedPreconditionError(absl::StrCat("database ", file.string(), ": ", what,
                                                    "; name a file that torchlapd made, or ",
                                                    "one that is not there yet"));
}

// SQLite opens an empty file as a new database; everything else must start with its mark.
absl::Status CheckMark(const std::filesystem::path& file, Use use) {
  const bool writes = use == Use::kWrite;
  const FileDescriptor opened(open(file.c_str(), (writes ? O_RDWR : O_RDONLY) | O_CLOEXEC));
  if (opened.get() < 0) {
    return writes ? StatusOfSystemError("open", file, errno) : StatusOfUnreadableFile(file, errno);
  }
  static constexpr char kMark[] = "SQLite format 3";  // with its NUL: 16 bytes
  char start[sizeof kMark] = {};
  const ssize_t length = read(opened.get(), start, sizeof start);
  if (length < 0) return StatusOfUnreadableFile(file, errno);
  if (length == 0 || std::string(start, sizeof start) == std::string(kMark, sizeof kMark)) {
    return absl::OkStatus();
  }
  return NoDatabase(file, "not a SQLite database");
}

Identity ReadIdentity(SQLite::Database& database) {
  Identity identity;
  identity.application_id = static_cast<int32_t>(SelectOne(database, "PRAGMA application_id"));
  identity.version = static_cast<uint32_t>(SelectOne(database, "PRAGMA user_version"));
  identity.has_tables = SelectOne(database, "SELECT count(*) FROM sqlite_schema") > 0;
  return identity;
}

absl::Status CheckIdentity(const std::filesystem::path& file, const Identity& identity,
                           uint32_t newest) {
  const bool is_new = !identity.has_tables && identity.version == 0;
  if (identity.application_id != kApplicationId && !is_new) {
    return NoDatabase(file, "a SQLite database of another program");
  }
  if (identity.version > newest) {
    return absl::FailedPreconditionError(
        absl::StrCat("database ", file.string(), ": schema version ", identity.version,
                     ", this program knows versions up to ", newest, "; install a newer torchlap"));
  }
  return absl::OkStatus();
}

absl::Status CheckIsReadable(const std::filesystem::path& file, const DatabaseFindings& findings) {
  if (findings.unreadable.empty()) return absl::OkStatus();
  const size_t others = findings.unreadable.size() - 1;
  return absl::DataLossError(
      absl::StrCat("database ", file.string(), ": damaged (", findings.unreadable.front(),
                   others > 0 ? absl::StrCat(", and ", others, " more") : "",
                   "); restore a backup, or keep what can be read: torchlapd --repair"));
}

// Looks through a read-only connection to `place`, which cannot checkpoint: a file that is refused
// stays as it was.
absl::StatusOr<Identity> Inspect(const std::filesystem::path& file, const std::string& place,
                                 uint32_t newest, int64_t check_ns) {
  Identity identity;
  absl::Status status = Guarded(file, nullptr, [&] {
    SqliteConnection connection(place, SQLite::OPEN_READONLY | SQLite::OPEN_URI);
    identity = ReadIdentity(connection);
    if (absl::Status known = CheckIdentity(file, identity, newest); !known.ok()) return known;
    const int64_t deadline_ns =
        check_ns == Clock::kNever ? Clock::kNever : MonotonicNs() + check_ns;
    identity.findings = CheckDatabase(connection, SystemClock(), deadline_ns);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return identity;
}

absl::Status SyncFile(const std::filesystem::path& file) {
  const FileDescriptor opened(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (opened.get() < 0 || fsync(opened.get()) != 0) {
    return StatusOfSystemError("sync", file, errno);
  }
  return absl::OkStatus();
}

// Appears under its name only when it is whole.
absl::Status BackUp(SQLite::Database& database, const std::filesystem::path& file,
                    uint32_t version) {
  const std::filesystem::path copy = absl::StrCat(file.string(), ".before-v", version);
  const std::filesystem::path part = copy.string() + ".part";
  std::error_code ignored;
  std::filesystem::remove(part, ignored);
  if (absl::Status status = CreateIfMissing(part); !status.ok()) return status;
  Execute(database, "VACUUM INTO ?", part.string());
  if (absl::Status status = SyncFile(part); !status.ok()) return status;
  if (rename(part.c_str(), copy.c_str()) != 0) return StatusOfSystemError("rename", part, errno);
  return SyncFile(copy.parent_path().empty() ? "." : copy.parent_path());
}

void Apply(SQLite::Database& database, const Migration& migration) {
  SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
  database.exec(absl::StrCat("PRAGMA application_id = ", kApplicationId));
  database.exec(migration.sql);
  database.exec(absl::StrCat("PRAGMA user_version = ", migration.version));
  transaction.commit();
}

absl::Status Migrate(SQLite::Database& database, const std::filesystem::path& file,
                     const Identity& identity, const std::vector<Migration>& migrations) {
  const uint32_t newest = migrations.back().version;
  if (identity.version > 0 && identity.version < newest) {
    if (absl::Status status = BackUp(database, file, newest); !status.ok()) return status;
  }
  for (const Migration& migration : migrations) {
    if (migration.version > identity.version) Apply(database, migration);
  }
  return absl::OkStatus();
}

constexpr char kShrinksInSteps[] = "PRAGMA auto_vacuum = INCREMENTAL";

void SetUpWriter(SQLite::Database& database) {
  // Of a file without a page; one that has some keeps its kind until a VACUUM (Shrink).
  if (SelectOne(database, "PRAGMA page_count") == 0) database.exec(kShrinksInSteps);
  database.exec("PRAGMA synchronous = FULL");
  database.exec("PRAGMA foreign_keys = ON");
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("PRAGMA wal_autocheckpoint = 1000");
}

constexpr int kPagesAtOnce = 1000;
constexpr int kPatienceWithReadersMs = 1000;

bool IsIncremental(SQLite::Database& database) {
  constexpr int64_t kIncremental = 2;
  return SelectOne(database, "PRAGMA auto_vacuum") == kIncremental;
}

// The WAL becomes empty, and the file as long as what is in it. Readers may be in the way.
void Truncate(SQLite::Database& database) {
  sqlite3_busy_timeout(database.getHandle(), kPatienceWithReadersMs);
  sqlite3_wal_checkpoint_v2(database.getHandle(), "main", SQLITE_CHECKPOINT_TRUNCATE, nullptr,
                            nullptr);
  sqlite3_busy_timeout(database.getHandle(), kBusyTimeoutMs);
}

uint64_t FileSize(const std::filesystem::path& file) {
  std::error_code missing;
  const uintmax_t size = std::filesystem::file_size(file, missing);
  return missing ? 0 : size;
}

absl::Status CheckIsDatabase(const std::filesystem::path& file) {
  absl::Status place = CheckPlace(file, Use::kRead);
  return place.ok() ? CheckMark(file, Use::kRead) : place;
}

// Damage is a finding, also where it lets nothing be read.
absl::StatusOr<DatabaseFindings> CheckThrough(const std::filesystem::path& file,
                                              const std::string& uri) {
  absl::StatusOr<Identity> identity =
      Inspect(file, uri, Migrations().back().version, Clock::kNever);
  if (absl::IsDataLoss(identity.status())) {
    return DatabaseFindings{{std::string(identity.status().message())}, {}, true};
  }
  if (!identity.ok()) return identity.status();
  return std::move(identity->findings);
}

}  // namespace

class Database::Connections {
 public:
  explicit Connections(std::filesystem::path file)
      : file_(std::move(file)), writer_(file_, SQLite::OPEN_READWRITE) {
    SetUpWriter(writer_);
  }

  // The views are of the program's own tables.
  absl::Status SetUpSchema(const Identity& identity, const std::vector<Migration>& migrations) {
    version_ = migrations.back().version;
    const MutexLock lock(&writer_mutex_);
    return SetUp(writer_, identity, migrations);
  }

  absl::Status Write(const std::function<absl::Status(SQLite::Database&)>& body) {
    const MutexLock lock(&writer_mutex_);
    return WriteOn(writer_, body);
  }

  absl::Status Read(const std::function<absl::Status(SQLite::Database&)>& body) {
    return Guarded(file_, nullptr, [&] {
      std::unique_ptr<SqliteConnection> reader = TakeReader();
      return Guarded(file_, reader->getHandle(), [&] {
        absl::Status status = InTransaction(*reader, body);
        // Not one that threw: who knows what state it is in. It is closed.
        GiveBack(std::move(reader));
        return status;
      });
    });
  }

  absl::Status Shrink() {
    for (bool is_done = false; !is_done;) {
      absl::Status status;
      {
        const MutexLock lock(&writer_mutex_);
        status = ShrinkOn(writer_, &is_done);
      }
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  const std::filesystem::path& file() const { return file_; }
  uint32_t version() const { return version_; }

 private:
  // The writer is handed over, as clang does not see that a lambda is called under the lock.
  absl::Status SetUp(SqliteConnection& writer, const Identity& identity,
                     const std::vector<Migration>& migrations) const {
    return Guarded(file_, writer.getHandle(), [&] {
      absl::Status status = Migrate(writer, file_, identity, migrations);
      if (status.ok() && &migrations == &Migrations()) RenewViews(writer);
      return status;
    });
  }

  absl::Status WriteOn(SqliteConnection& writer,
                       const std::function<absl::Status(SQLite::Database&)>& body) const {
    return Guarded(file_, writer.getHandle(), [&] {
      SQLite::Transaction transaction(writer, SQLite::TransactionBehavior::IMMEDIATE);
      absl::Status status = body(writer);
      if (status.ok()) transaction.commit();
      return status;
    });
  }

  // A step, outside of transactions.
  absl::Status ShrinkOn(SqliteConnection& writer, bool* is_done) const {
    return Guarded(file_, writer.getHandle(), [&] {
      if (!IsIncremental(writer)) {
        writer.exec(kShrinksInSteps);
        writer.exec("VACUUM");
        *is_done = true;
      } else {
        Execute(writer, absl::StrCat("PRAGMA incremental_vacuum(", kPagesAtOnce, ")"));
        *is_done = SelectOne(writer, "PRAGMA freelist_count") == 0;
      }
      if (*is_done) Truncate(writer);
      return absl::OkStatus();
    });
  }

  static absl::Status InTransaction(SqliteConnection& reader,
                                    const std::function<absl::Status(SQLite::Database&)>& body) {
    SQLite::Transaction transaction(reader);
    absl::Status status = body(reader);
    transaction.commit();
    return status;
  }

  std::unique_ptr<SqliteConnection> TakeReader() {
    {
      const MutexLock lock(&readers_mutex_);
      if (!readers_.empty()) {
        std::unique_ptr<SqliteConnection> reader = std::move(readers_.back());
        readers_.pop_back();
        return reader;
      }
    }
    return std::make_unique<SqliteConnection>(file_, SQLite::OPEN_READONLY);
  }

  void GiveBack(std::unique_ptr<SqliteConnection> reader) {
    const MutexLock lock(&readers_mutex_);
    if (readers_.size() < kIdleReaders) readers_.push_back(std::move(reader));
  }

  const std::filesystem::path file_;
  uint32_t version_ = 0;  // constant after SetUpSchema

  Mutex writer_mutex_;
  SqliteConnection writer_ TORCHLAP_GUARDED_BY(writer_mutex_);

  Mutex readers_mutex_;
  std::vector<std::unique_ptr<SqliteConnection>> readers_ TORCHLAP_GUARDED_BY(readers_mutex_);
};

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::filesystem::path& file) {
  return Open(file, Migrations());
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::filesystem::path& file,
                                                         const std::vector<Migration>& migrations) {
  if (absl::Status status = CheckPlace(file, Use::kWrite); !status.ok()) return status;
  if (absl::Status status = CreateIfMissing(file); !status.ok()) return status;
  if (absl::Status status = CheckMark(file, Use::kWrite); !status.ok()) return status;
  absl::StatusOr<Identity> identity =
      Inspect(file, UriOf(file, "mode=ro"), migrations.back().version, kCheckNs);
  if (!identity.ok()) return identity.status();
  absl::Status readable = CheckIsReadable(file, identity->findings);
  if (!readable.ok()) return readable;
  std::unique_ptr<Connections> connections;
  absl::Status status = Guarded(file, nullptr, [&] {
    connections = std::make_unique<Connections>(file);
    return connections->SetUpSchema(*identity, migrations);
  });
  if (!status.ok()) return status;
  return std::unique_ptr<Database>(
      new Database(std::move(connections), std::move(identity->findings.inconsistent)));
}

absl::StatusOr<DatabaseFindings> CheckFile(const std::filesystem::path& file) {
  if (absl::Status status = CheckIsDatabase(file); !status.ok()) return status;
  for (bool again = false;; again = true) {
    const absl::StatusOr<UntouchedDatabase> database = UntouchedDatabase::Find(file);
    if (!database.ok()) return database.status();
    absl::StatusOr<DatabaseFindings> findings = CheckThrough(file, database->uri());
    const bool is_sound = findings.ok() && findings->empty();
    // A daemon that started meanwhile is read beside then.
    if (is_sound || again || !database->HasChanged()) return findings;
  }
}

// Without a WAL it is read as it lies, which leaves nothing beside it.
absl::StatusOr<DatabaseFindings> CheckInPlace(const std::filesystem::path& file) {
  if (absl::Status status = CheckIsDatabase(file); !status.ok()) return status;
  const bool has_wal = FileSize(file.string() + "-wal") > 0;
  return CheckThrough(file, UriOf(file, has_wal ? "mode=ro" : "mode=ro&immutable=1"));
}

Database::Database(std::unique_ptr<Connections> connections, std::vector<std::string> damage)
    : connections_(std::move(connections)), damage_(std::move(damage)) {}

Database::~Database() = default;

absl::Status Database::Write(const std::function<absl::Status(SQLite::Database&)>& body) {
  return connections_->Write(body);
}

absl::Status Database::Read(const std::function<absl::Status(SQLite::Database&)>& body) const {
  return connections_->Read(body);
}

absl::Status Database::Shrink() { return connections_->Shrink(); }

const std::vector<std::string>& Database::damage() const { return damage_; }

const std::filesystem::path& Database::file() const { return connections_->file(); }

uint32_t Database::schema_version() const { return connections_->version(); }

uint64_t Database::size_bytes() const {
  return FileSize(file()) + FileSize(file().string() + "-wal");
}

}  // namespace torchlap::storage
