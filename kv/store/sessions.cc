#include "kv/store/sessions.h"

#include <algorithm>
#include <iterator>

#include "env/check.h"
#include "kv/slots/keyed_hash.h"

namespace quorate::kv {
namespace {

// Rows expire at multiples of this step, so that a busy session seldom moves in
// the expiry order.
constexpr int64_t kExpiryStepMs = 1000;

int64_t ExpiryOfUseAt(int64_t now_ms, Duration lifetime) {
  const int64_t end = now_ms + lifetime.ms() + kExpiryStepMs - 1;
  return end - end % kExpiryStepMs;
}

std::vector<StoredResult>::const_iterator FindResult(const SessionRow& row,
                                                     Sequence sequence) {
  return std::lower_bound(row.results.begin(), row.results.end(), sequence,
                          [](const StoredResult& result, Sequence wanted) {
                            return result.sequence < wanted;
                          });
}

size_t SizeOf(const SessionRow& row) {
  size_t bytes = Sessions::kRowOverheadBytes;
  for (const StoredResult& result : row.results) {
    bytes += Sessions::kResultOverheadBytes + result.payload.size();
  }
  return bytes;
}

Sessions::Decision Refuse(ResultStatus status) {
  return {.verdict = Sessions::Decision::Verdict::kRefused, .refusal = status};
}

}  // namespace

uint64_t ResultDigest(uint64_t hash_key, const StoredResult& result) {
  uint64_t digest = HashWord(hash_key + 3, result.sequence.value());
  digest = HashWord(digest, result.request_hash);
  digest = HashWord(digest, static_cast<uint64_t>(result.status) << 16 |
                                static_cast<uint64_t>(result.kind) << 8 |
                                uint64_t{result.wrote});
  digest = HashWord(digest, result.version.index.value());
  digest = HashWord(digest, uint64_t{result.version.group.value()} << 32 |
                                uint64_t{result.version.position});
  return HashWord(digest, KeyedHash(hash_key + 3, result.payload.view()));
}

const SessionRow* Sessions::Find(Slot slot, ClientId client) const {
  const auto of_slot = slots_.find(slot);
  if (of_slot == slots_.end()) return nullptr;
  const std::shared_ptr<SessionRow>* const row =
      of_slot->second->rows.Find(client);
  return row == nullptr ? nullptr : row->get();
}

Sessions::Decision Sessions::Check(Slot slot, const SessionStamp& stamp,
                                   uint64_t request_hash, int64_t now_ms) {
  const SessionToken& token = stamp.token;
  const SessionRow* row = Find(slot, token.client);
  // An expired row counts as absent, whether or not it was removed.
  if (row != nullptr && row->expire_at_ms <= now_ms) {
    Remove(slot, token.client);
    row = nullptr;
  }
  if (row == nullptr) {
    const bool open = now_ms <= token.open_until_ms &&
                      token.open_until_ms - now_ms < rules_.lifetime.ms();
    if (!open) return Refuse(ResultStatus::kSessionExpired);
    if (!MakeRoom(slot, token.client, now_ms)) {
      return Refuse(ResultStatus::kTooManySessions);
    }
    return {};
  }
  // The row is looked up by client alone, without comparing open_until_ms.
  // Retries with one Idempotency-Key derive the same client, but each has a new
  // open_until_ms.
  if (stamp.sequence < row->floor) return Refuse(ResultStatus::kStaleSequence);
  const auto kept = FindResult(*row, stamp.sequence);
  if (kept != row->results.end() && kept->sequence == stamp.sequence) {
    if (kept->request_hash != request_hash) {
      return Refuse(ResultStatus::kSequenceReused);
    }
    Decision duplicate{.verdict = Decision::Verdict::kDuplicate,
                       .result = *kept};
    const Target target = BeginChange(slot, token);
    Renew(slot, target.row, stamp, now_ms);
    EndChange(slot, target);
    return duplicate;
  }
  const auto acknowledged = FindResult(*row, stamp.floor);
  if (row->results.end() - acknowledged >=
      static_cast<ptrdiff_t>(kSessionOutstandingMax)) {
    return Refuse(ResultStatus::kTooManyOutstanding);
  }
  return {};
}

void Sessions::StoreResult(Slot slot, const SessionStamp& stamp,
                           uint64_t request_hash, const ResultView& result,
                           int64_t now_ms) {
  const Target target = BeginChange(slot, stamp.token);
  Renew(slot, target.row, stamp, now_ms);
  std::vector<StoredResult>& results = target.row->results;
  size_t row_bytes = result.bytes.size();
  for (const StoredResult& other : results) row_bytes += other.payload.size();
  const bool fits = result.bytes.size() <= rules_.result_bytes_max &&
                    row_bytes <= rules_.row_bytes_max;
  StoredResult kept{
      .sequence = stamp.sequence,
      .request_hash = request_hash,
      .status = fits ? result.status : ResultStatus::kResultNotKept,
      .kind = fits ? result.kind : PayloadKind::kNone,
      .wrote = result.wrote,
      .version = result.version,
      .payload = fits ? Buffer::Copy(result.bytes) : Buffer()};
  kept.digest = ResultDigest(hash_key_, kept);
  results.insert(FindResult(*target.row, stamp.sequence), std::move(kept));
  CHECK_LE(results.size(), kSessionOutstandingMax);
  EndChange(slot, target);
}

// Raises the floor, drops the results below it, and extends the row's lifetime.
void Sessions::Renew(Slot slot, SessionRow* row, const SessionStamp& stamp,
                     int64_t now_ms) {
  if (stamp.floor > row->floor) {
    row->floor = stamp.floor;
    row->results.erase(row->results.begin(), FindResult(*row, row->floor));
  }
  const int64_t expiry =
      std::max(row->expire_at_ms, ExpiryOfUseAt(now_ms, rules_.lifetime));
  if (expiry == row->expire_at_ms) return;
  const ClientId client = row->token.client;
  const Room room = RoomOf(slot, client);
  // A new row has none yet.
  if (row->expire_at_ms != 0) expiries_.Remove(room, row->expire_at_ms, client);
  expiries_.Add(room, expiry, client);
  row->expire_at_ms = expiry;
}

// Clients' tokens are below those of Idempotency-Keys, so the order of rooms is
// that of clients.
size_t Sessions::Expire(int64_t now_ms, size_t count_max) {
  size_t removed = 0;
  while (removed < count_max && !expiries_.empty() &&
         expiries_.first_ms() <= now_ms) {
    const auto first = expiries_.First();
    Remove(first.of.slot, first.id);
    ++removed;
  }
  return removed;
}

Sessions::Room Sessions::RoomOf(Slot slot, ClientId client) const {
  return {slot, IsKeySession(client)};
}

void Sessions::Remove(Slot slot, ClientId client) {
  SlotRows* slot_rows = UnshareSlot(slot);
  const std::shared_ptr<SessionRow>* const found = slot_rows->rows.Find(client);
  CHECK(found != nullptr);
  NoteChange(slot, client);
  const SessionRow& row = **found;
  const uint64_t digest = RowDigest(slot, row);
  slot_rows->digest -= digest;
  digest_ -= digest;
  slot_rows->size_bytes -= SizeOf(row);
  size_bytes_ -= SizeOf(row);
  expiries_.Remove(RoomOf(slot, client), row.expire_at_ms, client);
  if (IsKeySession(client)) --slot_rows->key_rows;
  slot_rows->rows.Erase(client);
  if (slot_rows->rows.empty()) slots_.erase(slot);
}

bool Sessions::HasRoom(const SlotRows& slot_rows, ClientId client) const {
  const size_t all = slot_rows.rows.size();
  return IsKeySession(client)
             ? slot_rows.key_rows < rules_.keys_per_slot_max
             : all - slot_rows.key_rows < rules_.rows_per_slot_max;
}

void Sessions::RemoveExpired(Room room, int64_t now_ms, size_t count_max) {
  for (size_t count = 0; count < count_max; ++count) {
    const auto* const first = expiries_.FirstOf(room);
    if (first == nullptr || first->first > now_ms) return;
    Remove(room.slot, first->second);
  }
}

bool Sessions::MakeRoom(Slot slot, ClientId client, int64_t now_ms) {
  const auto found = slots_.find(slot);
  if (found == slots_.end() || HasRoom(*found->second, client)) return true;
  RemoveExpired(RoomOf(slot, client), now_ms, kRemovedForRoomMax);
  const auto left = slots_.find(slot);
  return left == slots_.end() || HasRoom(*left->second, client);
}

void Sessions::Restore(Slot slot, SessionRow row) {
  SlotRows* slot_rows = UnshareSlot(slot);
  for (StoredResult& result : row.results) {
    result.digest = ResultDigest(hash_key_, result);
  }
  const ClientId client = row.token.client;
  expiries_.Add(RoomOf(slot, client), row.expire_at_ms, client);
  std::shared_ptr<SessionRow>& restored = slot_rows->rows.At(client);
  CHECK(restored == nullptr) << "client " << client << " in slot " << slot;
  restored = std::make_shared<SessionRow>(std::move(row));
  if (IsKeySession(client)) ++slot_rows->key_rows;
  EndChange(slot, {slot_rows, restored.get()});
}

void Sessions::DropSlot(Slot slot) {
  const auto found = slots_.find(slot);
  if (found == slots_.end()) return;
  digest_ -= found->second->digest;
  size_bytes_ -= found->second->size_bytes;
  dropped_.push_back(std::move(found->second));
  slots_.erase(found);
  for (const bool keys : {false, true}) expiries_.Drop({slot, keys});
}

void Sessions::DropAll() {
  while (!slots_.empty()) DropSlot(slots_.begin()->first);
}

bool Sessions::Reclaim(size_t count_max) {
  for (size_t left = count_max; left > 0 && !dropped_.empty();) {
    SessionRows& rows = dropped_.back()->rows;
    // A view frees the rows that it shares.
    if (dropped_.back().use_count() > 1 || rows.size() <= left) {
      left -= std::clamp<size_t>(rows.size(), 1, left);
      dropped_.pop_back();
    } else {
      rows.EraseLast(left);
      left = 0;
    }
  }
  return expiries_.Step(count_max) || !dropped_.empty();
}

void Sessions::Hold(Slot slot) {
  for (const bool keys : {false, true}) expiries_.Hold({slot, keys});
}

void Sessions::Unhold(Slot slot) {
  for (const bool keys : {false, true}) expiries_.Unhold({slot, keys});
}

Sessions::View Sessions::TakeView() const {
  return View(slots_.begin(), slots_.end());
}

Sessions::SlotRows* Sessions::UnshareSlot(Slot slot) {
  std::shared_ptr<SlotRows>& slot_rows = slots_[slot];
  if (slot_rows == nullptr) {
    slot_rows = std::make_shared<SlotRows>(
        SlotRows{.rows = SessionRows(page_rows_max_)});
  } else if (slot_rows.use_count() > 1) {
    slot_rows = std::make_shared<SlotRows>(*slot_rows);
  }
  return slot_rows.get();
}

Sessions::Target Sessions::BeginChange(Slot slot, const SessionToken& token) {
  NoteChange(slot, token.client);
  Target target;
  target.slot_rows = UnshareSlot(slot);
  std::shared_ptr<SessionRow>& row = target.slot_rows->rows.At(token.client);
  if (row == nullptr) {
    row = std::make_shared<SessionRow>(SessionRow{.token = token});
    ++rows_made_;
    if (IsKeySession(token.client)) ++target.slot_rows->key_rows;
  } else {
    const uint64_t digest = RowDigest(slot, *row);
    target.slot_rows->digest -= digest;
    digest_ -= digest;
    target.slot_rows->size_bytes -= SizeOf(*row);
    size_bytes_ -= SizeOf(*row);
    if (row.use_count() > 1) row = std::make_shared<SessionRow>(*row);
  }
  target.row = row.get();
  return target;
}

void Sessions::EndChange(Slot slot, const Target& target) {
  const uint64_t digest = RowDigest(slot, *target.row);
  target.slot_rows->digest += digest;
  digest_ += digest;
  target.slot_rows->size_bytes += SizeOf(*target.row);
  size_bytes_ += SizeOf(*target.row);
}

uint64_t Sessions::RowDigest(Slot slot, const SessionRow& row) const {
  uint64_t digest = HashWord(hash_key_ + 2, slot.value());
  digest = HashWord(digest, row.token.client.value());
  digest = HashWord(digest, static_cast<uint64_t>(row.token.open_until_ms));
  digest = HashWord(digest, static_cast<uint64_t>(row.expire_at_ms));
  digest = HashWord(digest, row.floor.value());
  for (const StoredResult& result : row.results) {
    digest = HashWord(digest, result.digest);
  }
  return digest;
}

uint64_t Sessions::SlotDigest(Slot slot) const {
  const auto of_slot = slots_.find(slot);
  return of_slot == slots_.end() ? 0 : of_slot->second->digest;
}

uint64_t Sessions::RecomputeDigest() const {
  uint64_t digest = 0;
  for (const auto& [slot, slot_rows] : slots_) {
    for (SessionRows::Cursor rows(slot_rows->rows); !rows.done(); rows.Next()) {
      SessionRow fresh = *rows.value();
      for (StoredResult& result : fresh.results) {
        result.digest = ResultDigest(hash_key_, result);
      }
      digest += RowDigest(slot, fresh);
    }
  }
  return digest;
}

}  // namespace quorate::kv
