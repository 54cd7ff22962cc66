// raft/core/core_digest.h: a digest of the state of a core, for a search that
// visits each state once.
//
// It is the same in every process.
#ifndef QUORATE_RAFT_CORE_CORE_DIGEST_H_
#define QUORATE_RAFT_CORE_CORE_DIGEST_H_

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "env/little_endian.h"
#include "env/random.h"
#include "env/strong_types.h"
#include "env/time.h"
#include "raft/core/types.h"

namespace quorate::raft {

class CoreDigest {
 public:
  // Times count from `now` on. Those further away than `horizon` are all alike.
  CoreDigest(MonoTime now, Duration horizon)
      : earliest_(now - horizon), latest_(now + horizon) {}

  void Add(uint64_t word) {
    value_ = Mix64((value_ ^ word) + 0x9e3779b97f4a7c15ULL);
  }
  template <typename Tag, typename Rep>
  void Add(StrongId<Tag, Rep> id) {
    Add(uint64_t{id.value()});
  }
  template <typename Tag>
  void Add(StrongOrdinal<Tag> ordinal) {
    Add(ordinal.value());
  }
  void Add(const LogPosition& position) {
    Add(position.term);
    Add(position.index);
  }
  void Add(const HardState& state) {
    Add(state.term);
    Add(state.voted_for);
  }
  void Add(MonoTime at) {
    at = std::clamp(at, earliest_, latest_);
    Add(static_cast<uint64_t>((at - earliest_).ns()));
  }
  void Add(std::string_view bytes) {
    Add(uint64_t{bytes.size()});
    for (; bytes.size() >= sizeof(uint64_t);
         bytes.remove_prefix(sizeof(uint64_t))) {
      Add(LoadFixed<uint64_t>(bytes.data()));
    }
    uint64_t rest = 0;
    for (const char c : bytes) rest = rest << 8 | static_cast<uint8_t>(c);
    Add(rest);
  }
  // All but its times.
  void Add(const Entry& entry) {
    Add(entry.position());
    Add(static_cast<uint64_t>(entry.kind));
    Add(entry.payload.view());
  }
  // All but the time, state and bytes of a snapshot that it carries.
  void Add(const Message& message) {
    Add(static_cast<uint64_t>(message.type));
    Add(message.to);
    Add(message.term);
    Add(uint64_t{message.reject} * 2 + uint64_t{message.forced});
    Add(message.last_log);
    Add(message.number);
    Add(message.previous);
    Add(message.received);
    Add(message.durable);
    Add(message.read_index);
    Add(message.hint);
    Add(message.commit);
    Add(message.read_round);
    Add(message.known_level);
    Add(message.read_id);
    Add(uint64_t{message.entries.size()});
    for (const Entry& entry : message.entries) Add(entry);
    if (!message.part.has_value()) return;
    Add(message.part->snapshot.position);
    Add(message.part->offset);
    Add(message.part->staged);
  }
  uint64_t value() const { return value_; }

 private:
  const MonoTime earliest_;
  const MonoTime latest_;
  uint64_t value_ = 0;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_CORE_DIGEST_H_
