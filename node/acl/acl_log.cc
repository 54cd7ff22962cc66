#include "node/acl/acl_log.h"

#include <algorithm>
#include <utility>

namespace quorate::node {

void AclLog::Add(Entry entry) {
  ++counts_[static_cast<size_t>(entry.reason)];
  entry.object.resize(std::min(entry.object.size(), kObjectBytesMax));
  entry.user.resize(std::min(entry.user.size(), kObjectBytesMax));
  const auto like =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& one) {
        return one.reason == entry.reason && one.object == entry.object &&
               one.in_transaction == entry.in_transaction &&
               one.user == entry.user && entry.at - one.at <= kTogether;
      });
  if (like != entries_.end()) {
    entry.count += like->count;
    entries_.erase(like);
  }
  entries_.push_front(std::move(entry));
  if (entries_.size() > kEntriesMax) entries_.pop_back();
}

}  // namespace quorate::node
