#include "raft/core/entry_list.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "env/check.h"

namespace quorate::raft {
namespace {

// The log of an idle group has little more than its first configuration and
// the first entries of two leaders.
constexpr uint32_t kBlockEntriesMin = 3;
// Payloads are copied together into a buffer of at most this size, or of one
// payload.
constexpr size_t kCopiedTogetherBytesMax = 4 << 10;

bool KeepsMuchAlive(const Buffer& payload) {
  return payload.block_size() > 2 * payload.size();
}

}  // namespace

EntryList::Block* EntryList::NewBlock(uint32_t capacity) {
  static_assert(sizeof(Block) % alignof(Entry) == 0);
  void* const memory = ::operator new(sizeof(Block) + capacity * sizeof(Entry));
  return new (memory) Block{.references = 0,
                            .size = 0,
                            .capacity = capacity,
                            .full = 0,
                            .size_bytes = 0,
                            .latest = WallTime::Min()};
}

void EntryList::Free(Block* block) {
  std::destroy_n(block->entries(), block->size);
  ::operator delete(block);
}

size_t EntryList::FindEarlier(uint64_t number) const {
  // The entries that are sent, written and applied are near the end.
  constexpr size_t kNear = 4;
  size_t at = pieces_.size() - 1;
  while (at > 0 && pieces_.size() - at <= kNear) {
    if (pieces_[--at].first <= number) return at;
  }
  const auto behind = std::partition_point(
      pieces_.begin(), pieces_.begin() + static_cast<ptrdiff_t>(at),
      [number](const Piece& piece) { return piece.first <= number; });
  return static_cast<size_t>(behind - pieces_.begin()) - 1;
}

// An entry is constructed behind the others of a block, where no list has seen
// anything yet.
void EntryList::push_back(Entry&& entry) {
  const size_t bytes = entry.size_bytes();
  const WallTime latest = entry.bounded_latest();
  Block* block = pieces_.empty() ? nullptr : pieces_.back().block();
  if (block == nullptr || block->full != 0 ||
      pieces_.back().block_end() != block->size) {
    // Long lists have large blocks.
    block = NewBlock(static_cast<uint32_t>(
        std::clamp<size_t>(size(), kBlockEntriesMin, kBlockEntriesMax)));
    const uint64_t first = pieces_.empty() ? 0 : End(pieces_.back());
    pieces_.emplace_back(block, 0, 0, first);
  }
  new (block->entries() + block->size) Entry(std::move(entry));
  ++block->size;
  block->size_bytes += bytes;
  block->latest = std::max(block->latest, latest);
  block->full =
      block->size == block->capacity || block->size_bytes >= kBlockBytesMax;
  ++pieces_.back().count;
}

void EntryList::AppendPart(const Piece& piece, uint64_t number,
                           uint32_t count) {
  const uint32_t at = piece.block_end() - piece.count +
                      static_cast<uint32_t>(number - piece.first);
  uint64_t first = 0;
  if (!pieces_.empty()) {
    Piece& last = pieces_.back();
    if (last.block() == piece.block() && last.block_end() == at) {
      last.count += count;
      return;
    }
    first = End(last);
  }
  pieces_.emplace_back(piece.block(), at, count, first);
}

void EntryList::Append(const EntryList& other) {
  for (size_t i = 0; i < other.pieces_.size(); ++i) {
    const Piece& piece = other.pieces_[i];
    AppendPart(piece, piece.first, piece.count);
  }
}

void EntryList::AppendSlice(const EntryList& other, const const_iterator& from,
                            size_t count) {
  const Piece* piece = from.piece_;
  uint64_t number = count == 0 ? 0 : piece->first + (from.at_ - piece->begin());
  while (count > 0) {
    CHECK(piece != other.pieces_.data() + other.pieces_.size());
    const auto part =
        static_cast<uint32_t>(std::min<uint64_t>(End(*piece) - number, count));
    AppendPart(*piece, number, part);
    count -= part;
    number += part;
    ++piece;
  }
}

void EntryList::Truncate(size_t size) {
  CHECK_LE(size, this->size());
  if (size == 0) return pieces_.clear();
  const uint64_t end = pieces_.front().first + size;
  while (pieces_.back().first >= end) pieces_.pop_back();
  pieces_.back().count = static_cast<uint32_t>(end - pieces_.back().first);
}

void EntryList::RemovePrefix(size_t count) {
  CHECK_LE(count, size());
  if (count == size()) {
    *this = EntryList();  // The list of blocks gives its memory back.
    return;
  }
  const uint64_t first = pieces_.front().first + count;
  const size_t at = Find(first);
  pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<ptrdiff_t>(at));
  pieces_.front().RemovePrefix(
      static_cast<uint32_t>(first - pieces_.front().first));
  if (pieces_.capacity() > 4 * pieces_.size()) pieces_.shrink_to_fit();
}

size_t EntryList::AppendByBytes(const EntryList& other, size_t offset,
                                size_t count, size_t bytes_max) {
  const const_iterator from = other.At(offset);
  size_t taken = 0;
  size_t bytes = 0;
  for (auto it = from; taken < count; ++it) {
    const size_t size = it->size_bytes();
    if (taken > 0 && bytes + size > bytes_max) break;
    bytes += size;
    ++taken;
  }
  AppendSlice(other, from, taken);
  return bytes;
}

EntryList::Totals EntryList::TotalsOf(size_t offset, size_t count,
                                      size_t enough) const {
  CHECK_LE(offset, size());
  CHECK_LE(count, size() - offset);
  Totals totals;
  if (count == 0) return totals;
  const auto add = [&totals](size_t bytes, WallTime latest) {
    totals.size_bytes += bytes;
    totals.latest = std::max(totals.latest, latest);
  };
  uint64_t number = pieces_.front().first + offset;
  const uint64_t end = number + count;
  for (const Piece* piece = &pieces_[Find(number)];
       number < end && totals.size_bytes < enough; ++piece) {
    const uint64_t part = std::min(End(*piece), end) - number;
    if (part == piece->block()->size) {
      add(piece->block()->size_bytes, piece->block()->latest);
    } else {
      const Entry* const first = piece->begin() + (number - piece->first);
      for (const Entry* entry = first; entry != first + part; ++entry) {
        add(entry->size_bytes(), entry->bounded_latest());
      }
    }
    number += part;
  }
  return totals;
}

size_t EntryList::CountBefore(size_t end, size_t* bytes) const {
  CHECK_LE(end, size());
  size_t taken = 0;
  if (end == 0) return taken;
  const uint64_t behind = pieces_.front().first + end;
  for (size_t at = Find(behind - 1) + 1; at > 0; --at) {
    const Piece& piece = pieces_[at - 1];
    const auto count = static_cast<uint32_t>(
        std::min<uint64_t>(piece.count, behind - piece.first));
    if (count == piece.block()->size && piece.block()->size_bytes <= *bytes) {
      *bytes -= piece.block()->size_bytes;
      taken += count;
      continue;
    }
    for (const Entry* entry = piece.begin() + count; entry != piece.begin();) {
      const size_t size = (--entry)->size_bytes();
      if (size > *bytes) return taken;
      *bytes -= size;
      ++taken;
    }
  }
  return taken;
}

size_t EntryList::allocated_bytes() const {
  size_t bytes = pieces_.capacity() * sizeof(Piece);
  for (const Piece& piece : pieces_) {
    bytes += sizeof(Block) + piece.block()->capacity * sizeof(Entry);
  }
  return bytes;
}

bool operator==(const EntryList& a, const EntryList& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin());
}

Buffer PayloadCopier::Take(EntryList::const_iterator it,
                           EntryList::const_iterator end) {
  const size_t size = it->payload.size();
  if (!KeepsMuchAlive(it->payload)) return it->payload;
  if (size == 0) return Buffer();
  if (copies_.empty()) {
    size_t bytes = size;
    auto behind = it;
    for (++behind; behind != end; ++behind) {
      const Buffer& payload = behind->payload;
      if (!KeepsMuchAlive(payload)) continue;
      if (bytes + payload.size() > kCopiedTogetherBytesMax) break;
      bytes += payload.size();
    }
    copies_ = Buffer::Create(bytes, [&](char* block) {
      for (auto from = it; from != behind; ++from) {
        const Buffer& payload = from->payload;
        if (!KeepsMuchAlive(payload) || payload.empty()) continue;
        std::memcpy(block, payload.data(), payload.size());
        block += payload.size();
      }
    });
  }
  const Buffer copy = copies_.Slice(0, size);
  copies_ = size == copies_.size() ? Buffer() : copies_.Suffix(size);
  return copy;
}

}  // namespace quorate::raft
