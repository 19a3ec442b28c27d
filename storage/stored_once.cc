#include "storage/stored_once.h"

#include <absl/strings/str_cat.h>

#include "storage/run_row.h"
#include "storage/sqlite_connection.h"

namespace torchlap::storage {
namespace {

std::optional<std::string> OrNull(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return text;
}

template <typename... Values>
int64_t Insert(SQLite::Database& database, const std::string& sql, const Values&... values) {
  Execute(database, sql, values...);
  return database.getLastInsertRowid();
}

std::optional<int64_t> StoreKey(SQLite::Database& database, const std::string& table,
                                const std::string& column, const std::string& key) {
  if (key.empty()) return std::nullopt;
  const std::optional<int64_t> id =
      SelectInt(database, absl::StrCat("SELECT id FROM ", table, " WHERE ", column, " = ?"), key);
  if (id) return id;
  return Insert(database, absl::StrCat("INSERT INTO ", table, " (", column, ") VALUES (?)"), key);
}

}  // namespace

int64_t StorePrincipal(SQLite::Database& database, const Caller& caller) {
  // Without a name it is called by its number: that is no other name than it had.
  return SelectOne(database,
                   "INSERT INTO principal (principal, name) VALUES (?, ?) "
                   "ON CONFLICT (principal) DO UPDATE SET name = "
                   "CASE WHEN excluded.name = excluded.principal THEN principal.name "
                   "ELSE excluded.name END RETURNING id",
                   caller.principal, caller.name);
}

int64_t StoreWorkload(SQLite::Database& database, const v1::Run& run,
                      const std::string& canonical) {
  const v1::TransformerLm& model = run.workload().transformer_lm();
  const std::optional<int64_t> id = SelectInt(
      database,
      "SELECT id FROM workload WHERE workload_hash = ? AND edition IS ? AND model_size IS ?",
      run.workload_hash(), OrNull(model.edition()), OrNull(model.preset()));
  if (id) return *id;
  const RunColumnSet columns(database, "workload");
  Query insert(database,
               absl::StrCat("INSERT INTO workload (kind, canonical, ", columns.Names(),
                            ") VALUES (?, ?, ", columns.Marks(), ")"),
               static_cast<int>(run.workload().kind_case()), canonical);
  columns.Bind(run, insert);
  insert.Run();
  return database.getLastInsertRowid();
}

int64_t StoreDevice(SQLite::Database& database, const DeviceIdentity& device) {
  const std::optional<int64_t> id =
      SelectInt(database, "SELECT id FROM device WHERE uuid = ? AND name = ? AND model = ?",
                device.uuid, device.name, device.model);
  if (id) return *id;
  return Insert(database, "INSERT INTO device (uuid, name, model) VALUES (?, ?, ?)", device.uuid,
                device.name, device.model);
}

std::optional<int64_t> StoreSeries(SQLite::Database& database, const std::string& series_key) {
  return StoreKey(database, "series", "series_key", series_key);
}

std::optional<int64_t> StoreBoot(SQLite::Database& database, const std::string& boot_id) {
  return StoreKey(database, "boot", "boot_id", boot_id);
}

std::optional<int64_t> StoreEnvironment(SQLite::Database& database, const std::string& hash,
                                        const std::optional<v1::Environment>& environment) {
  if (hash.empty()) return std::nullopt;
  const std::optional<int64_t> id =
      SelectInt(database, "SELECT id FROM environment WHERE environment_hash = ?", hash);
  if (id || !environment) return id;
  return Insert(
      database,
      "INSERT INTO environment (environment_hash, message, torchlap_version, torch_version, "
      "cuda_version, driver_version, gpu_model, cpu_model, kernel) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      hash, Blob{environment->SerializeAsString()}, OrNull(environment->torchlap_version()),
      OrNull(environment->torch_version()), OrNull(environment->cuda_version()),
      OrNull(environment->driver_version()), OrNull(environment->gpu_model()),
      OrNull(environment->cpu_model()), OrNull(environment->kernel()));
}

}  // namespace torchlap::storage
