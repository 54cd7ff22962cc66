#include "raft/core/testing/written_log.h"

#include <algorithm>

namespace quorate::raft {

Index WrittenLog::certain() const {
  Index index = last();
  for (const PendingWrite& write : pending) {
    if (!write.terms.empty()) index = std::min(index, write.first - 1);
  }
  return index;
}

bool WrittenLog::MayHold(LogPosition entry) const {
  if (entry.index <= base) return true;
  if (entry.index <= last() && TermAt(entry.index) == entry.term) return true;
  for (const PendingWrite& write : pending) {
    if (entry.index >= write.first &&
        entry.index < write.first + write.terms.size() &&
        write.terms[entry.index - write.first] == entry.term) {
      return true;
    }
  }
  return false;
}

}  // namespace quorate::raft
