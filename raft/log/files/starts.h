// raft/log/files/starts.h: the starts of a store, as its directory remembers
// them, and those of other stores that it has seen. Format:
// docs/reference/formats/starts.md.
//
// Two programs on copies of one directory have equal identities. Their starts
// after the copy have equal numbers and different tags. So a store that has
// seen a start of one of them can tell the other one. Decision 0114.
#ifndef QUORATE_RAFT_LOG_FILES_STARTS_H_
#define QUORATE_RAFT_LOG_FILES_STARTS_H_

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
#include "env/buffer.h"
#include "env/disk.h"
#include "env/ids.h"
#include "env/pending.h"
#include "env/transport.h"

namespace quorate::raft {

// Limits of what the file holds.
inline constexpr size_t kSeenStartsMax = 4096;
inline constexpr size_t kStartAddressBytesMax = 512;
inline constexpr size_t kStartOthersMax = 4096;

struct Starts {
  // The number of the last start that served. Zero: there was none.
  uint64_t number = 0;
  // The tags of the last starts, with consecutive numbers up to `number`, the
  // oldest first; at most kEarlierStartsMax.
  std::vector<uint32_t> tags;
  // The address at which other nodes reached the last start.
  std::string address;
  // The addresses of other nodes that the last start was given, ascending.
  std::vector<std::string> others;
  // The store founded a cluster whose id another one has, and ended for that.
  bool gave_way = false;
  // The latest start of each other node that was admitted here.
  absl::btree_map<NodeId, env::SeenStart> seen;

  friend bool operator==(const Starts&, const Starts&) = default;
};

std::string EncodeStarts(StoreIncarnation store, const Starts& starts);
// kDataLoss: the bytes are damaged, or are those of another store.
absl::StatusOr<Starts> DecodeStarts(StoreIncarnation store,
                                    std::string_view bytes);

// The file of one store. One operation is under way at a time. Destroying the
// object cancels its callback.
class StartsFile {
 public:
  using ReadDone = absl::AnyInvocable<void(absl::StatusOr<Starts>)>;
  using WriteDone = absl::AnyInvocable<void(absl::Status)>;

  // `disk` outlives the object.
  StartsFile(env::Disk& disk, StoreIncarnation store)
      : disk_(disk), store_(store) {}

  // kNotFound: there is no file. kDataLoss: it is damaged. Other errors of the
  // disk may pass.
  void Read(ReadDone done);
  // Replaces the file, durably and in one step.
  void Write(const Starts& starts, WriteDone done);

 private:
  void Commit();
  void FinishRead(absl::StatusOr<Starts> result);
  void FinishWrite(const absl::Status& status);

  env::Disk& disk_;
  const StoreIncarnation store_;
  ReadDone read_done_;
  WriteDone write_done_;
  Buffer bytes_;
  std::unique_ptr<env::File> file_;
  env::Pending pending_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_FILES_STARTS_H_
