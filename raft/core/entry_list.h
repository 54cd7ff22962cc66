// raft/core/entry_list.h: a sequence of entries in immutable, counted blocks.
//
// The core, its Outputs, messages and the log share the blocks, so each entry
// is in memory once. A block is freed with the last list that has one of its
// entries. The count is not
// atomic, as in env/buffer.h.
#ifndef QUORATE_RAFT_CORE_ENTRY_LIST_H_
#define QUORATE_RAFT_CORE_ENTRY_LIST_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <utility>
#include <vector>

#include "env/check.h"
#include "env/time.h"
#include "raft/core/entry.h"

namespace quorate::raft {

// A value: a change of one list is not seen through another. Copies and slices
// take time and memory for each block, not for each entry.
class EntryList {
 public:
  // A block has at most so many entries. It takes no further entry once its
  // entries have kBlockBytesMax bytes. A list therefore pins less than this
  // much, and one entry, of entries that it does not have itself.
  static constexpr uint32_t kBlockEntriesMax = 128;
  static constexpr size_t kBlockBytesMax = 64 << 10;

  class const_iterator;
  using value_type = Entry;
  using iterator = const_iterator;

  EntryList() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): the same entries.
  EntryList(std::vector<Entry> entries) {
    for (Entry& entry : entries) push_back(std::move(entry));
  }
  EntryList(std::initializer_list<Entry> entries) {
    for (const Entry& entry : entries) push_back(entry);
  }

  size_t size() const {
    return pieces_.empty() ? 0 : End(pieces_.back()) - pieces_.front().first;
  }
  bool empty() const { return pieces_.empty(); }
  // Requires: i < size().
  const Entry& operator[](size_t i) const {
    const uint64_t number = pieces_.front().first + i;
    const Piece& piece = pieces_[Find(number)];
    return piece.begin()[number - piece.first];
  }
  const Entry& front() const { return *pieces_.front().begin(); }
  const Entry& back() const { return *(pieces_.back().end() - 1); }
  const_iterator begin() const;
  const_iterator end() const;
  // An iterator at entry `i`. Requires: i <= size().
  const_iterator At(size_t i) const;

  void push_back(Entry&& entry);
  void push_back(const Entry& entry) { push_back(Entry(entry)); }
  // Adds the entries of `other`, whose blocks it shares.
  void Append(const EntryList& other);
  // Keeps the first `size` entries. Requires: size <= this->size().
  void Truncate(size_t size);
  // Removes the first `count` entries. Requires: count <= size().
  void RemovePrefix(size_t count);
  void clear() { pieces_.clear(); }
  // The entries [offset, offset + count). Requires: they exist.
  EntryList Slice(size_t offset, size_t count) const;
  // Adds `count` entries of `other` from `from` on. Requires: they exist.
  void AppendSlice(const EntryList& other, const const_iterator& from,
                   size_t count);

  // Adds entries of `other` from `offset` on, at most `count`, as many as have
  // `bytes_max` bytes. A first entry always fits. Returns their size. Requires:
  // `other` has so many entries.
  size_t AppendByBytes(const EntryList& other, size_t offset, size_t count,
                       size_t bytes_max);

  struct Totals {
    size_t size_bytes = 0;
    WallTime latest = WallTime::Min();  // The greatest Entry::bounded_latest.
  };
  // Counts the `count` entries from `offset` on, or the first of them alone
  // once these have `enough` bytes. Takes time for each block, and for each
  // entry of a block of which only a part counts. Requires: they exist.
  Totals TotalsOf(size_t offset, size_t count, size_t enough = SIZE_MAX) const;
  Totals totals() const { return TotalsOf(0, size()); }
  // The most entries that stand right before offset `end` and have `*bytes`
  // together at most. Takes their size off `*bytes`. Takes time as TotalsOf.
  size_t CountBefore(size_t end, size_t* bytes) const;

  // Bytes that its blocks and its list of blocks take, without payloads.
  size_t allocated_bytes() const;

  friend bool operator==(const EntryList& a, const EntryList& b);

 private:
  // Entries follow in the same allocation.
  struct Block {
    uint32_t references;
    uint32_t size;
    uint32_t capacity;
    uint32_t full;  // Takes no further entry.
    // Of its entries, as in Totals.
    size_t size_bytes;
    WallTime latest;
    Entry* entries() { return reinterpret_cast<Entry*>(this + 1); }
  };
  static Block* NewBlock(uint32_t capacity);
  static void Free(Block* block);

  // A run of entries of one block; it counts as one reference.
  class Piece {
   public:
    Piece(Block* block, uint32_t at, uint32_t count, uint64_t first)
        : first(first), count(count), block_(block), at_(at) {
      ++block_->references;
    }
    Piece(const Piece& other)
        : Piece(other.block_, other.at_, other.count, other.first) {}
    Piece(Piece&& other) noexcept
        : first(other.first),
          count(other.count),
          block_(std::exchange(other.block_, nullptr)),
          at_(other.at_) {}
    Piece& operator=(Piece other) noexcept {
      first = other.first;
      count = other.count;
      std::swap(block_, other.block_);
      at_ = other.at_;
      return *this;
    }
    ~Piece() {
      if (block_ != nullptr && --block_->references == 0) Free(block_);
    }

    const Entry* begin() const { return block_->entries() + at_; }
    const Entry* end() const { return begin() + count; }
    Block* block() const { return block_; }
    uint32_t block_end() const { return at_ + count; }
    void RemovePrefix(uint32_t removed) {
      first += removed;
      at_ += removed;
      count -= removed;
    }

    // Numbers its first entry. Numbers rise by one along a list; the number of
    // the list's first entry has no meaning.
    uint64_t first;
    uint32_t count;

   private:
    Block* block_;
    uint32_t at_;  // Offset of its first entry in the block.
  };

  static uint64_t End(const Piece& piece) { return piece.first + piece.count; }
  // Offset in pieces_ of the piece that has entry number `number`. Most callers
  // want one of the last entries.
  size_t Find(uint64_t number) const {
    const Piece& last = pieces_.back();
    CHECK_LT(number, End(last));
    return number >= last.first ? pieces_.size() - 1 : FindEarlier(number);
  }
  size_t FindEarlier(uint64_t number) const;
  // Adds `count` entries of `piece` from number `number` on.
  void AppendPart(const Piece& piece, uint64_t number, uint32_t count);

  // Not empty pieces.
  std::vector<Piece> pieces_;
};

class EntryList::const_iterator {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = Entry;
  using difference_type = ptrdiff_t;
  using pointer = const Entry*;
  using reference = const Entry&;

  const_iterator() = default;
  reference operator*() const { return *at_; }
  pointer operator->() const { return at_; }
  const_iterator& operator++() {
    if (++at_ == end_) EnterPiece(piece_ + 1);
    return *this;
  }
  const_iterator operator++(int) {
    const_iterator before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const const_iterator& a, const const_iterator& b) {
    return a.at_ == b.at_;
  }

 private:
  friend class EntryList;
  // Null at the end of the list.
  void EnterPiece(const Piece* piece) {
    piece_ = piece;
    at_ = piece == last_ ? nullptr : piece->begin();
    end_ = piece == last_ ? nullptr : piece->end();
  }

  const Entry* at_ = nullptr;
  const Entry* end_ = nullptr;  // End of the piece.
  const Piece* piece_ = nullptr;
  const Piece* last_ = nullptr;  // End of all pieces.
};

inline EntryList::const_iterator EntryList::begin() const {
  const_iterator it;
  it.last_ = pieces_.data() + pieces_.size();
  it.EnterPiece(pieces_.data());
  return it;
}

inline EntryList::const_iterator EntryList::end() const { return {}; }

inline EntryList::const_iterator EntryList::At(size_t i) const {
  if (i == size()) return end();
  const uint64_t number = pieces_.front().first + i;
  const size_t at = Find(number);
  const_iterator it;
  it.last_ = pieces_.data() + pieces_.size();
  it.EnterPiece(pieces_.data() + at);
  it.at_ += number - pieces_[at].first;
  return it;
}

inline EntryList EntryList::Slice(size_t offset, size_t count) const {
  EntryList slice;
  slice.AppendSlice(*this, At(offset), count);
  return slice;
}

// Replaces payloads that keep alive much more than their own bytes, such as
// slices of a message with entries of many groups. A payload that it returns
// keeps alive at most twice its own bytes, or 4 KiB that it shares with its
// neighbours. Used for one list, from its first entry to its last.
class PayloadCopier {
 public:
  // Returns the payload of the entry at `it`, or a copy.
  Buffer Take(EntryList::const_iterator it, EntryList::const_iterator end);

 private:
  Buffer copies_;  // Copies for the entries that follow.
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_ENTRY_LIST_H_
