// raft/log/starts.h: the starts of a store, as its directory remembers them,
// and those of other stores that it has seen. Format:
// docs/reference/formats/starts.md.
//
// Two programs on copies of one directory have equal identities. Their starts
// after the copy have equal numbers and different tags. So a store that has
// seen a start of one of them can tell the other one. Decision 0114.
#ifndef QUORATE_RAFT_LOG_STARTS_H_
#define QUORATE_RAFT_LOG_STARTS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/env.h"
#include "env/ids.h"
#include "env/transport.h"
#include "raft/log/async_task.h"

namespace quorate::raft {

// Limits of what the file holds.
inline constexpr size_t kSeenStartsMax = 4096;
inline constexpr size_t kStartAddressBytesMax = 512;

struct Starts {
  // The number of the last start that served. Zero: there was none.
  uint64_t number = 0;
  // The tags of the last starts, with consecutive numbers up to `number`, the
  // oldest first; at most kEarlierStartsMax.
  std::vector<uint32_t> tags;
  // The address at which other nodes reached the last start.
  std::string address;
  // The latest start of each other node that was admitted here.
  absl::btree_map<NodeId, env::SeenStart> seen;

  friend bool operator==(const Starts&, const Starts&) = default;
};

std::string EncodeStarts(StoreIncarnation store, const Starts& starts);
// kDataLoss: the bytes are damaged, or are those of another store.
absl::StatusOr<Starts> DecodeStarts(StoreIncarnation store,
                                    std::string_view bytes);

// Reads what the directory of this store remembers. A file that is missing or
// damaged remembers nothing. Errors of the disk that may pass are returned.
using StartsRead = absl::AnyInvocable<void(absl::StatusOr<Starts>)>;
[[nodiscard]] std::unique_ptr<AsyncTask> ReadStarts(env::Env& env,
                                                    StoreIncarnation store,
                                                    StartsRead done);

// Replaces the file, durably and in one step. At most one task writes at a
// time.
using StartsWritten = absl::AnyInvocable<void(absl::Status)>;
[[nodiscard]] std::unique_ptr<AsyncTask> WriteStarts(env::Env& env,
                                                     StoreIncarnation store,
                                                     const Starts& starts,
                                                     StartsWritten done);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_STARTS_H_
