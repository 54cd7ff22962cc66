// node/acl/acl_log.h: the refusals of a node to users: the entries of ACL LOG,
// and their counts.
#ifndef QUORATE_NODE_ACL_ACL_LOG_H_
#define QUORATE_NODE_ACL_ACL_LOG_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

#include "env/time.h"

namespace quorate::node {

class AclLog {
 public:
  // The oldest entries make room for new ones.
  static constexpr size_t kEntriesMax = 128;
  // The name of a key or a user is cut after this.
  static constexpr size_t kObjectBytesMax = 256;
  // An entry that is like one not older than this only raises its count.
  static constexpr Duration kTogether = Seconds(60);

  enum class Reason : uint8_t { kAuth, kCommand, kKey };
  struct Entry {
    Reason reason = Reason::kAuth;
    bool in_transaction = false;
    std::string object;  // The command or the key; "auth" of kAuth.
    std::string user;
    std::string client;  // As CLIENT INFO shows it.
    MonoTime at;
    uint64_t count = 1;
  };

  void Add(Entry entry);
  void Clear() { entries_.clear(); }
  // The newest first.
  const std::deque<Entry>& entries() const { return entries_; }
  // All that were refused since the start.
  uint64_t count(Reason reason) const {
    return counts_[static_cast<size_t>(reason)];
  }

 private:
  std::deque<Entry> entries_;
  std::array<uint64_t, 3> counts_ = {};
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ACL_ACL_LOG_H_
