// kv/store/session_rows.h: the rows of the sessions of one slot, in pages that
// copies share.
//
// A slot may have tens of thousands of rows. A copy of all of them costs a
// pointer for each page. A change costs a copy of one page if it is shared.
#ifndef QUORATE_KV_STORE_SESSION_ROWS_H_
#define QUORATE_KV_STORE_SESSION_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "env/buffer.h"
#include "kv/command/result.h"
#include "kv/command/session_stamp.h"
#include "kv/store/page_bounds.h"

namespace quorate::kv {

// The result of a command, for answering duplicates of it.
struct StoredResult {
  Sequence sequence = {};
  uint64_t request_hash = 0;
  ResultStatus status = ResultStatus::kOk;
  PayloadKind kind = PayloadKind::kNone;
  bool wrote = false;
  Version version = {};
  Buffer payload = {};
  // ResultDigest of the other fields, computed once.
  uint64_t digest = 0;
};

struct SessionRow {
  SessionToken token = {};
  int64_t expire_at_ms = 0;
  Sequence floor = {};
  // At most kSessionOutstandingMax results, ascending by sequence, none below
  // `floor`.
  std::vector<StoredResult> results = {};
};

// A map from clients to rows, ascending by client. Copies are independent.
//
// Invariant: no page is empty, and none has more than `page_rows_max` rows.
class SessionRows {
 public:
  using Row = std::shared_ptr<SessionRow>;

  explicit SessionRows(size_t page_rows_max = kPageRowsMax)
      : page_rows_max_(page_rows_max) {}

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Returns null if there is none.
  const Row* Find(ClientId client) const;
  // The place of the client's row, for writing; a null row if there was none.
  // Valid until the next change.
  Row& At(ClientId client);
  // Requires: there is a row.
  void Erase(ClientId client);
  // Removes up to `count_max` rows from the end.
  void EraseLast(size_t count_max);

  // Steps through the rows of an object that does not change meanwhile.
  class Cursor {
   public:
    Cursor() = default;
    explicit Cursor(const SessionRows& rows) : rows_(&rows) {}
    bool done() const {
      return rows_ == nullptr || page_ == rows_->pages_.size();
    }
    const SessionRow& row() const {
      return *rows_->pages_[page_]->rows[index_].row;
    }
    void Next() {
      if (++index_ < rows_->pages_[page_]->rows.size()) return;
      ++page_;
      index_ = 0;
    }

   private:
    const SessionRows* rows_ = nullptr;
    size_t page_ = 0;
    size_t index_ = 0;
  };

  size_t page_count() const { return pages_.size(); }
  // Pages that are part of another object too.
  size_t shared_page_count() const;

 private:
  struct Entry {
    ClientId client;
    Row row;
  };
  struct Page {
    std::vector<Entry> rows;
  };

  // The index of the page that has the client's row if there is one. Requires:
  // there is a page.
  size_t PageOf(ClientId client) const;
  static std::vector<Entry>::const_iterator PlaceIn(const Page& page,
                                                    ClientId client);
  // The page, after copying it if it is shared.
  Page& Unshare(size_t index);
  // Merges a page with the next one if both together fill half a page.
  void MergeWithNext(size_t index);

  size_t page_rows_max_;
  std::vector<std::shared_ptr<Page>> pages_;
  size_t size_ = 0;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_SESSION_ROWS_H_
