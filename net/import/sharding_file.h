// net/import/sharding_file.h: the file of small systems that shard by a hash:
// `[[shards]]` with `name`, `idx`, `address` and, optionally, read replicas.
//
// Takes text and returns values; the caller reads the file. Knows nothing of
// our own configuration.
#ifndef QUORATE_NET_IMPORT_SHARDING_FILE_H_
#define QUORATE_NET_IMPORT_SHARDING_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace quorate::net {

// The most shards of a file: as many as our configuration takes.
inline constexpr int64_t kImportedShardsMax = 1'024;

struct ForeignShard {
  std::string name;
  int64_t idx = 0;
  // "host:port": the server that takes writes, then its read replicas.
  std::vector<std::string> addresses;
};

struct ShardingFile {
  std::vector<ForeignShard> shards;  // By idx: 0, 1, 2, …
  // Keys that are none of the four, each with its position in the file.
  std::vector<std::string> unknown_keys;
};

// Checks that names and addresses are there and differ, and that `idx` counts
// from 0 without a gap. Read replicas are an array, or one string, under
// `replicas` or `replica`. Errors are kInvalidArgument with "file:line:column:
// key 'shards[0].idx': expected …, found …".
absl::StatusOr<ShardingFile> ParseShardingFile(const std::string& text,
                                               const std::string& file_name);

}  // namespace quorate::net

#endif  // QUORATE_NET_IMPORT_SHARDING_FILE_H_
