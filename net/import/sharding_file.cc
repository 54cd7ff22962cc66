#include "net/import/sharding_file.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/host_port.h"
#include "node/config/toml.h"

namespace quorate::net {
namespace {

constexpr char kAddressForm[] =
    "expected \"host:port\" of an HTTP server, without http://";

std::string Found(const toml::node& node) {
  if (const auto* text = node.as_string()) {
    return absl::StrCat("found \"", text->get(), "\"");
  }
  if (const auto* integer = node.as_integer()) {
    return absl::StrCat("found ", integer->get());
  }
  if (node.is_array()) return "found an array";
  if (node.is_table()) return "found a table";
  return "found another type";
}

class ShardingParser {
 public:
  explicit ShardingParser(std::string file) : file_(std::move(file)) {}

  absl::StatusOr<ShardingFile> Parse(const std::string& text) {
    const toml::parse_result result = toml::parse(text, file_);
    if (result.failed()) {
      return absl::InvalidArgumentError(
          absl::StrCat(Position(result.error().source()),
                       std::string(result.error().description())));
    }
    const toml::table& root = result.table();
    const toml::array* const rows = root["shards"].as_array();
    if (rows == nullptr || rows->empty() ||
        !rows->is_homogeneous(toml::node_type::table)) {
      return absl::InvalidArgumentError(absl::StrCat(
          file_,
          ": expected a table [[shards]] for each shard, with name, idx "
          "and address, found none"));
    }
    for (const auto& [key, value] : root) {
      if (key != "shards") AddUnknown(key);
    }
    for (size_t row = 0; row < rows->size(); ++row) {
      const toml::table& table = *(*rows)[row].as_table();
      if (absl::Status status = Take(row, table); !status.ok()) return status;
    }
    if (absl::Status status = CheckIndexes(*rows); !status.ok()) return status;
    std::sort(parsed_.shards.begin(), parsed_.shards.end(),
              [](const auto& a, const auto& b) { return a.idx < b.idx; });
    return std::move(parsed_);
  }

 private:
  std::string Position(const toml::source_region& region) const {
    return absl::StrCat(file_, ":", region.begin.line, ":", region.begin.column,
                        ": ");
  }

  absl::Status Fail(const toml::source_region& region, size_t row,
                    const char* key, const std::string& text) const {
    return absl::InvalidArgumentError(absl::StrCat(
        Position(region), "key 'shards[", row, "].", key, "': ", text));
  }

  void AddUnknown(const toml::key& key) {
    parsed_.unknown_keys.push_back(
        absl::StrCat(Position(key.source()), std::string(key.str())));
  }

  absl::Status Take(size_t row, const toml::table& table) {
    ForeignShard shard;
    absl::Status status = TakeName(row, table, &shard);
    if (status.ok()) status = TakeIndex(row, table, &shard);
    if (status.ok()) status = TakeAddress(row, table, &shard);
    if (status.ok()) status = TakeReplicas(row, table, &shard);
    if (!status.ok()) return status;
    for (const auto& [key, value] : table) {
      if (key != "name" && key != "idx" && key != "address" &&
          key != "replica" && key != "replicas") {
        AddUnknown(key);
      }
    }
    parsed_.shards.push_back(std::move(shard));
    return absl::OkStatus();
  }

  absl::Status TakeName(size_t row, const toml::table& table,
                        ForeignShard* shard) {
    const toml::node* const name = table.get("name");
    if (name == nullptr) {
      return Fail(table.source(), row, "name",
                  "expected a name of the shard, found nothing");
    }
    const auto* const text = name->as_string();
    if (text == nullptr || text->get().empty()) {
      return Fail(name->source(), row, "name",
                  absl::StrCat("expected a name of the shard, ", Found(*name)));
    }
    shard->name = text->get();
    return CheckNew(&names_, shard->name, *name, row, "name");
  }

  absl::Status TakeIndex(size_t row, const toml::table& table,
                         ForeignShard* shard) {
    const std::string expected =
        absl::StrCat("expected the shard's number, an integer from 0 to ",
                     kImportedShardsMax - 1);
    const toml::node* const idx = table.get("idx");
    if (idx == nullptr) {
      return Fail(table.source(), row, "idx", expected + ", found nothing");
    }
    const auto* const integer = idx->as_integer();
    if (integer == nullptr || integer->get() < 0 ||
        integer->get() >= kImportedShardsMax) {
      return Fail(idx->source(), row, "idx",
                  absl::StrCat(expected, ", ", Found(*idx)));
    }
    shard->idx = integer->get();
    return CheckNew(&indexes_, absl::StrCat(shard->idx), *idx, row, "idx");
  }

  absl::Status TakeAddress(size_t row, const toml::table& table,
                           ForeignShard* shard) {
    const toml::node* const address = table.get("address");
    if (address == nullptr) {
      return Fail(table.source(), row, "address",
                  absl::StrCat(kAddressForm, ", found nothing"));
    }
    return AddAddress(*address, row, "address", shard);
  }

  absl::Status TakeReplicas(size_t row, const toml::table& table,
                            ForeignShard* shard) {
    const toml::node* const one = table.get("replica");
    const toml::node* const several = table.get("replicas");
    if (one != nullptr && several != nullptr) {
      return Fail(one->source(), row, "replica",
                  "expected either replica or replicas, found both: put all "
                  "addresses into one of them");
    }
    const toml::node* const replicas = one != nullptr ? one : several;
    const char* const key = one != nullptr ? "replica" : "replicas";
    if (replicas == nullptr) return absl::OkStatus();
    if (replicas->as_array() == nullptr) {
      return AddAddress(*replicas, row, key, shard);
    }
    for (const toml::node& replica : *replicas->as_array()) {
      absl::Status status = AddAddress(replica, row, key, shard);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status AddAddress(const toml::node& node, size_t row, const char* key,
                          ForeignShard* shard) {
    const auto* const text = node.as_string();
    if (text == nullptr) {
      return Fail(node.source(), row, key,
                  absl::StrCat(kAddressForm, ", ", Found(node)));
    }
    const absl::StatusOr<HostPort> parsed = ParseHostPort(text->get());
    if (!parsed.ok() || parsed->port == 0) {
      return Fail(node.source(), row, key,
                  absl::StrCat(kAddressForm, ", ", Found(node)));
    }
    shard->addresses.push_back(text->get());
    return CheckNew(&addresses_, text->get(), node, row, key);
  }

  // The values of one kind, each with the place where it stands.
  struct Seen {
    const char* kind;
    std::map<std::string, std::string> places = {};
  };

  // Refuses a value that the file has already.
  absl::Status CheckNew(Seen* seen, const std::string& value,
                        const toml::node& node, size_t row,
                        const char* key) const {
    std::string place = absl::StrCat("shards[", row, "].", key, " in line ",
                                     node.source().begin.line);
    const auto [first, is_new] = seen->places.emplace(value, std::move(place));
    if (is_new) return absl::OkStatus();
    return Fail(node.source(), row, key,
                absl::StrCat("expected each ", seen->kind, " once, found ",
                             value, " again: it is also ", first->second,
                             "; change one of them"));
  }

  // Each index is there once and below the maximum: one that is too high leaves
  // a gap below it.
  absl::Status CheckIndexes(const toml::array& rows) const {
    const auto count = static_cast<int64_t>(parsed_.shards.size());
    for (int64_t idx = 0; idx < count; ++idx) {
      if (indexes_.places.contains(absl::StrCat(idx))) continue;
      const auto highest =
          std::max_element(
              parsed_.shards.begin(), parsed_.shards.end(),
              [](const auto& a, const auto& b) { return a.idx < b.idx; }) -
          parsed_.shards.begin();
      const auto row = static_cast<size_t>(highest);
      return Fail(rows[row].as_table()->get("idx")->source(), row, "idx",
                  absl::StrCat("expected each number from 0 to ", count - 1,
                               ", found ", parsed_.shards[row].idx, " and no ",
                               idx, "; number the shards without a gap"));
    }
    return absl::OkStatus();
  }

  const std::string file_;
  ShardingFile parsed_;
  Seen names_ = {"name"};
  Seen indexes_ = {"idx"};
  Seen addresses_ = {"address"};
};

}  // namespace

absl::StatusOr<ShardingFile> ParseShardingFile(const std::string& text,
                                               const std::string& file_name) {
  return ShardingParser(file_name).Parse(text);
}

}  // namespace quorate::net
