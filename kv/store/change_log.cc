#include "kv/store/change_log.h"

#include "kv/slots/keyed_hash.h"

namespace quorate::kv {

uint64_t ChangeLog::DigestOf(ChangeNumber number, const Change& change) const {
  const uint64_t digest = HashWord(hash_key_ + 4, number.value());
  return HashWord(HashWord(digest, static_cast<uint64_t>(change.kind) << 16 |
                                       uint64_t{change.slot.value()}),
                  change.id);
}

void ChangeLog::Note(const Change& change) {
  ChangeNumber& number = NumbersWith(change)[change];
  const bool clears = change.kind == ChangeKind::kCleared;
  if (number > settled_ && !clears) return;
  if (number != ChangeNumber{}) {
    numbered_.Erase(number);
    digest_ -= DigestOf(number, change);
  }
  number = ++last_;
  numbered_.At(number) = change;
  digest_ += DigestOf(number, change);
  if (clears || settles_always_) Settle();
}

bool ChangeLog::Restore(ChangeNumber number, const Change& change) {
  if (number == ChangeNumber{} || number > last_ ||
      numbered_.Find(number) != nullptr ||
      !NumbersWith(change).emplace(change, number).second) {
    return false;
  }
  numbered_.At(number) = change;
  digest_ += DigestOf(number, change);
  return true;
}

size_t ChangeLog::Forget(ChangeNumber through, size_t count_max) {
  size_t removed = 0;
  while (removed < count_max) {
    const Numbered::Cursor first(numbered_);
    if (first.done() || first.key() > through) break;
    const ChangeNumber number = first.key();
    const Change change = first.value();
    NumbersWith(change).erase(change);
    numbered_.Erase(number);
    digest_ -= DigestOf(number, change);
    ++removed;
  }
  return removed;
}

uint64_t ChangeLog::digest() const {
  return HashWord(HashWord(digest_, last_.value()), settled_.value());
}

bool ChangeLog::Reclaim(size_t count_max) {
  numbered_.EraseLast(count_max);
  // A table is one block of memory, also an empty one.
  for (size_t freed = 0; freed < count_max && !numbers_.empty();) {
    freed += 1 + numbers_.back().size();
    numbers_.pop_back();
  }
  return !numbered_.empty() || !numbers_.empty();
}

}  // namespace quorate::kv
