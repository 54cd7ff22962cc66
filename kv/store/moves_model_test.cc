// Random histories of commands on slots that move between three groups, against
// a simple map. Replicas crash, steps are repeated, and moves are given up.
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/parse_integer.h"
#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/command/move_command.h"
#include "kv/command/result.h"
#include "kv/slots/slot.h"
#include "kv/store/store.h"
#include "kv/testing/moves_fixture.h"
#include "rapidcheck/gtest.h"

namespace quorate::kv {
namespace {

constexpr const char* kTags[] = {"{a}", "{b}", "{c}", "{d}", "{e}"};
constexpr int kTagCount = 5;
constexpr int kGroups = 3;
// Rows of sessions live for half an hour at least.
constexpr int64_t kRowLifeMinMs = 30 * 60'000;

// ---- The model: one map of all keys, wherever their slots are.

struct Value {
  std::string bytes;
  Version version;
  int64_t expire_at_ms = 0;
};

// A command of a client, which may be sent again.
struct Sent {
  std::string payload;
  Slot slot;
  std::string tag;
  SessionStamp stamp;
  Version version;  // That of its result.
  ResultStatus status = ResultStatus::kOk;
  int64_t integer = 0;
};

struct Session {
  SessionToken token;
  uint64_t sequence = 0;
};

struct Watch {
  std::string key;
  bool present = false;
  Version version;
  uint64_t changes = 0;  // Of the key, when it was watched.
};

class World {
 public:
  // Equal seeds draw equal histories, so that a shorter one is the beginning of
  // a longer one.
  explicit World(uint64_t seed) : bits_(seed) {
    const std::vector<SlotRun> all = {
        {Slot(0), Slot(16383), SlotEpoch(1), SlotState::kOwned}};
    for (int i = 0; i < kGroups; ++i) {
      groups_.push_back(
          std::make_unique<TestGroup>(GroupId(static_cast<uint32_t>(i + 1)),
                                      i == 0 ? all : std::vector<SlotRun>()));
      skew_ms_.push_back(Draw(3) * 700);
    }
    for (const char* tag : kTags) owner_of_[tag] = 0;
  }

  void Step() {
    now_ms_ += AnyOf<int64_t>({0, 0, 0, 10, 30, 300, 900, 3'000});
    if (Draw(500) == 0) now_ms_ += 400'000;
    for (int i = 0; i < kGroups; ++i) {
      groups_[i]->SetTime(now_ms_ + skew_ms_[i]);
    }
    const int kind = Draw(45);
    if (kind < 18) return Command();
    if (kind < 36) return Drive();
    if (kind < 38) return BeginMove();
    if (kind < 40) return Crash();
    if (kind < 42) return LateStep();
    if (kind < 44) return Retry();
    if (Draw(3) == 0) GiveUp();
  }

  // Situations that a long history reaches.
  struct Counts {
    int activated = 0;
    int aborted = 0;
    int pieces_of_changes = 0;
    int cut_items = 0;
    int refused_as_frozen = 0;
    int duplicates_after_a_move = 0;
    int watches_of_moved_values = 0;
    int restarts_within_a_stream = 0;
    int orphans = 0;
  };
  const Counts& counts() const { return counts_; }

  // Ends all moves, and brings every slot to the first group.
  void Finish() {
    EndMoves();
    DropOrphans();
    for (const auto& [tag, owner] : owner_of_) CheckSlot(tag);
    for (int from = 1; from < kGroups; ++from) {
      Begin(from, 0, TagsOf(from));
      EndMoves();
    }
    for (const auto& [tag, owner] : owner_of_) {
      RC_ASSERT(owner == 0);
      CheckSlot(tag);
    }
    CheckEmpty();
  }

 private:
  int Draw(int below) {
    bits_ = bits_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<int>((bits_ >> 33) % static_cast<uint64_t>(below));
  }
  template <typename T>
  T AnyOf(std::initializer_list<T> values) {
    return values.begin()[Draw(static_cast<int>(values.size()))];
  }

  // One of the last `most`.
  template <typename T>
  const T& Recent(const std::vector<T>& all, size_t most) {
    const int back = Draw(static_cast<int>(std::min(most, all.size())));
    return all[all.size() - 1 - static_cast<size_t>(back)];
  }

  struct Move {
    MoveDriver driver;
    int from = 0;
    int to = 0;
    std::vector<std::string> tags;
    MoveDecision decision = MoveDecision::kMove;
    std::map<std::string, std::string> streams = {};  // By name.
  };

  TestGroup& OwnerOf(const std::string& tag) {
    return *groups_[owner_of_[tag]];
  }

  std::vector<std::string> TagsOf(int group) const {
    std::vector<std::string> tags;
    for (const auto& [tag, owner] : owner_of_) {
      if (owner == group) tags.push_back(tag);
    }
    return tags;
  }

  // ---- Moves.

  void BeginMove() {
    if (moves_.size() == 2) return;
    const int from = Draw(kGroups);
    std::vector<std::string> tags = TagsOf(from);
    std::erase_if(tags, [&](const std::string& tag) {
      return moving_.contains(tag) || Draw(3) == 0;
    });
    Begin(from, (from + 1 + Draw(kGroups - 1)) % kGroups, tags);
  }

  void Begin(int from, int to, const std::vector<std::string>& tags) {
    if (tags.empty()) return;
    MovePlan plan = {.id = MoveId(++last_move_),
                     .from = groups_[from]->id(),
                     .to = groups_[to]->id()};
    uint64_t epoch = 0;
    std::set<uint16_t> slots;
    for (const std::string& tag : tags) {
      slots.insert(HashSlot(tag).value());
      epoch = std::max(epoch, epoch_of_[tag]);
      moving_.insert(tag);
    }
    plan.epoch = SlotEpoch(std::max<uint64_t>(epoch, 1) + 1);
    for (const uint16_t slot : slots) {
      plan.slots.push_back({Slot(slot), Slot(slot)});
    }
    const MoveDriver::Options options = {
        .piece_bytes = AnyOf<size_t>({200, 700, 5'000, kPieceBytesMax}),
        .changes_bytes = AnyOf<size_t>({1, 100, 2'000, kPieceBytesMax}),
        .slots_max = AnyOf<uint32_t>({0, 1, 2, 100}),
        .freeze_at = AnyOf<uint64_t>({0, 3, 1'000})};
    moves_.push_back(
        {MoveDriver(plan, groups_[from].get(), groups_[to].get(), options),
         from, to, tags});
  }

  void Drive() {
    if (!moves_.empty()) DriveOne(Draw(static_cast<int>(moves_.size())));
  }

  // Equal names of streams mean equal bytes.
  void CheckName(const SlotPiece& piece, Move* move) {
    std::string name;
    AppendStream(&name, piece.stream);
    std::string& known = move->streams[name];
    RC_ASSERT(piece.offset <= known.size());
    const std::string_view again =
        std::string_view(known).substr(piece.offset, piece.bytes.size());
    RC_ASSERT(again == piece.bytes.substr(0, again.size()));
    known.append(piece.bytes.substr(again.size()));
  }

  void DriveOne(size_t at) {
    Move& move = moves_[at];
    const auto next = move.driver.NextStep(move.decision);
    if (!next.has_value()) {
      if (move.decision != MoveDecision::kMove) return End(at);
      // The decision of the controller.
      RC_ASSERT(move.driver.sealed());
      move.decision = MoveDecision::kActivate;
      return;
    }
    TestGroup& group = *groups_[next->for_source ? move.from : move.to];
    const std::string step = EncodeMoveStep(next->step);
    const MoveAnswer answer = group.StepEncoded(step, SlotsMaxOf(next->step));
    // Late copies of steps may have left something.
    if (answer.verdict == MoveVerdict::kSlotsBusy) return DropOrphans();
    RC_ASSERT(answer.verdict == MoveVerdict::kDone ||
              answer.verdict == MoveVerdict::kAlready);
    if (const auto* stage = std::get_if<StageStep>(&next->step)) {
      if (stage->piece.stream.changes) ++counts_.pieces_of_changes;
      if (!stage->piece.ends) ++counts_.cut_items;
      CheckName(stage->piece, &move);
    }
    if (std::holds_alternative<AbortStep>(next->step)) ++counts_.aborted;
    sent_.emplace_back(&group, step);
    if (std::holds_alternative<ActivateStep>(next->step)) {
      ++counts_.activated;
      for (const std::string& tag : move.tags) {
        owner_of_[tag] = move.to;
        epoch_of_[tag] = move.driver.plan().epoch.value();
      }
    }
    // The network delivers it twice.
    if (Draw(8) == 0) {
      const MoveAnswer again = group.StepEncoded(step);
      RC_ASSERT(again.verdict != MoveVerdict::kOtherPlan);
    }
  }

  void EndMoves() {
    for (int i = 0; !moves_.empty(); ++i) {
      RC_ASSERT(i < 10'000);
      DriveOne(0);
    }
  }

  void End(size_t at) {
    for (const std::string& tag : moves_[at].tags) moving_.erase(tag);
    moves_.erase(moves_.begin() + static_cast<ptrdiff_t>(at));
  }

  void GiveUp() {
    if (moves_.empty()) return;
    Move& move = moves_[Draw(static_cast<int>(moves_.size()))];
    if (move.decision == MoveDecision::kMove) {
      move.decision = MoveDecision::kAbort;
    }
  }

  // A copy of an earlier step arrives, or a leader with an old map repeats it.
  void LateStep() {
    if (sent_.empty()) return;
    const auto& [group, step] = Recent(sent_, Draw(2) == 0 ? 60 : 100'000);
    group->StepEncoded(step);
    if (Draw(2) == 0) DropOrphans();
  }

  // A leader gives up each move that the controller does not know.
  void DropOrphans() {
    for (const auto& group : groups_) {
      for (const MoveStatus& status : group->store().moves()) {
        const bool known =
            std::any_of(moves_.begin(), moves_.end(), [&](const Move& move) {
              return move.driver.plan().id == status.plan.id;
            });
        if (known) continue;
        for (int i = 0;
             group->StateOf(status.plan.id).phase != MovePhase::kNone; ++i) {
          RC_ASSERT(i < 20);
          ++counts_.orphans;
          group->Step(AbortStep{status.plan, 1});
        }
      }
    }
  }

  void Crash() {
    TestGroup& group = *groups_[Draw(kGroups)];
    if (Draw(2) == 0) {
      group.BeginRestart();
    } else {
      group.EndRestart(AnyOf<size_t>({1, 50, 1 << 16}));
    }
    for (Move& move : moves_) {
      if (Draw(2) != 0) continue;
      move.driver.ForgetReader();
      const auto place = groups_[move.to]->StateOf(move.driver.plan().id).place;
      if (place.offset > 0) ++counts_.restarts_within_a_stream;
    }
  }

  // ---- Commands.

  // Sends the batch of one command to each group. Returns the result of the one
  // that accepts it.
  struct Result {
    ResultStatus status;
    bool wrote = false;
    bool duplicate = false;
    Version version;
    int64_t integer = 0;
    std::string bytes;
  };
  std::optional<Result> Send(const std::string& tag,
                             const std::string& payload) {
    std::optional<Result> accepted;
    const bool is_frozen = !OwnerOf(tag).store().Owns(HashSlot(tag));
    if (is_frozen) ++counts_.refused_as_frozen;
    for (int i = 0; i < kGroups; ++i) {
      const Buffer results = groups_[i]->Apply(Buffer::Copy(payload));
      ResultReader reader(results.view());
      const ResultView view = reader.Next();
      if (view.status == ResultStatus::kNotOwner) continue;
      // One accepting owner.
      RC_ASSERT(!accepted.has_value());
      RC_ASSERT(i == owner_of_[tag]);
      accepted = Result{view.status,  view.wrote,   view.duplicate,
                        view.version, view.integer, std::string(view.bytes)};
      // A key that was due before stays due.
      const int64_t log_ms = groups_[i]->store().log_time().ms();
      RC_ASSERT(log_ms >= seen_ms_[tag]);
      seen_ms_[tag] = log_ms;
      Expire(tag, log_ms);
    }
    RC_ASSERT(accepted.has_value() == !is_frozen);
    return accepted;
  }

  void Expire(const std::string& tag, int64_t log_ms) {
    for (auto it = keys_.begin(); it != keys_.end();) {
      const bool due = it->first.starts_with(tag) &&
                       it->second.expire_at_ms != 0 &&
                       it->second.expire_at_ms <= log_ms;
      if (due) ++changes_[it->first];
      it = due ? keys_.erase(it) : std::next(it);
    }
  }

  std::string AnyTag() { return kTags[Draw(kTagCount)]; }
  // Few of them, so that histories of a key are long. One has a long value.
  std::string AnyKey(const std::string& tag) {
    return tag + std::to_string(Draw(4));
  }
  std::string AnyValue() {
    const auto size = AnyOf<size_t>({0, 1, 4, 90, 1'500, 3'000});
    return std::string(size, 'x') + std::to_string(++values_);
  }

  static std::string Payload(const CommandSpec& spec) {
    BatchBuilder batch;
    batch.Add(spec);
    return std::string(batch.Finish().view());
  }

  void Command() {
    const std::string tag = AnyTag();
    switch (Draw(13)) {
      case 0:
        return Set(tag);
      case 9:
        return SetMany(tag);
      case 10:
        return Append(tag);
      case 11:
        return GetDelete(tag);
      case 12:
        return Expiry(tag);
      case 1:
        return Set(tag);
      case 2:
        return Delete(tag);
      case 3:
      case 4:
        return Increment(tag);
      case 5:
        return Get(AnyKey(tag));
      case 6:
        return WatchKey(tag);
      case 7:
        return Transaction();
      default:
        return Draw(6) == 0 ? Flush(tag) : CompareAndSet(tag);
    }
  }

  void Wrote(const std::string& key, const Value& value) {
    keys_[key] = value;
    ++changes_[key];
  }

  void Set(const std::string& tag) {
    const std::string key = AnyKey(tag);
    const std::string value = AnyValue();
    const std::string_view arguments[] = {key, value};
    CommandSpec spec = {
        .op = Op::kSet, .slot = HashSlot(tag), .arguments = arguments};
    if (Draw(3) == 0) spec.expire_at_ms = now_ms_ + Draw(4'000) - 200;
    const auto result = Send(tag, Payload(spec));
    if (!result.has_value()) return;
    RC_ASSERT(result->status == ResultStatus::kOk);
    const int64_t expiry = spec.expire_at_ms.value_or(0);
    if (expiry != 0 && expiry <= seen_ms_[tag]) {
      if (keys_.erase(key) > 0) ++changes_[key];
    } else {
      Wrote(key, {value, result->version, expiry});
    }
  }

  void CompareAndSet(const std::string& tag) {
    const std::string key = AnyKey(tag);
    const std::string value = AnyValue();
    const std::string_view arguments[] = {key, value};
    const auto found = keys_.find(key);
    const Version before =
        found == keys_.end() ? Version{} : found->second.version;
    const auto result = Send(tag, Payload({.op = Op::kSet,
                                           .slot = HashSlot(tag),
                                           .expected = before,
                                           .arguments = arguments}));
    if (!result.has_value()) return;
    const auto present = keys_.find(key);
    const Version now =
        present == keys_.end() ? Version{} : present->second.version;
    RC_ASSERT(result->wrote == (now == before));
    if (result->wrote) Wrote(key, {value, result->version, 0});
  }

  void Delete(const std::string& tag) {
    const std::string key = AnyKey(tag);
    const std::string_view arguments[] = {key};
    const auto result = Send(tag, Payload({.op = Op::kDel,
                                           .slot = HashSlot(tag),
                                           .arguments = arguments}));
    if (!result.has_value()) return;
    const size_t removed = keys_.erase(key);
    RC_ASSERT(result->integer == static_cast<int64_t>(removed));
    if (removed > 0) ++changes_[key];
  }

  void SetMany(const std::string& tag) {
    const std::string keys[] = {AnyKey(tag), AnyKey(tag)};
    const std::string value = AnyValue();
    const std::string_view arguments[] = {keys[0], value, keys[1], value};
    const auto result = Send(tag, Payload({.op = Op::kMSet,
                                           .slot = HashSlot(tag),
                                           .arguments = arguments}));
    if (!result.has_value()) return;
    for (const std::string& key : keys) Wrote(key, {value, result->version, 0});
  }

  void Append(const std::string& tag) {
    const std::string key = AnyKey(tag);
    const std::string_view arguments[] = {key, "tail"};
    const auto result = Send(tag, Payload({.op = Op::kAppend,
                                           .slot = HashSlot(tag),
                                           .arguments = arguments}));
    if (!result.has_value()) return;
    Value value = keys_.contains(key) ? keys_[key] : Value();
    value.bytes += "tail";
    value.version = result->version;
    RC_ASSERT(result->integer == static_cast<int64_t>(value.bytes.size()));
    Wrote(key, value);
  }

  void GetDelete(const std::string& tag) {
    const std::string key = AnyKey(tag);
    const std::string_view arguments[] = {key};
    const auto result = Send(tag, Payload({.op = Op::kGetDel,
                                           .slot = HashSlot(tag),
                                           .arguments = arguments}));
    if (!result.has_value()) return;
    const auto found = keys_.find(key);
    RC_ASSERT(result->wrote == (found != keys_.end()));
    if (found == keys_.end()) return;
    RC_ASSERT(result->bytes == found->second.bytes);
    keys_.erase(found);
    ++changes_[key];
  }

  // Gives a key another expiry, or none.
  void Expiry(const std::string& tag) {
    const std::string key = AnyKey(tag);
    const std::string_view arguments[] = {key};
    CommandSpec spec = {
        .op = Op::kPersist, .slot = HashSlot(tag), .arguments = arguments};
    if (Draw(2) == 0) {
      spec.op = Op::kExpireAt;
      spec.expire_at_ms = now_ms_ + Draw(5'000) + 1'500;
    }
    const auto result = Send(tag, Payload(spec));
    if (!result.has_value()) return;
    const auto found = keys_.find(key);
    const bool writes =
        found != keys_.end() &&
        (spec.op == Op::kExpireAt || found->second.expire_at_ms != 0);
    RC_ASSERT(result->wrote == writes);
    if (!writes) return;
    const int64_t expiry = spec.expire_at_ms.value_or(0);
    if (spec.op == Op::kExpireAt && expiry <= seen_ms_[tag]) {
      keys_.erase(found);
      ++changes_[key];
    } else {
      Wrote(key, {found->second.bytes, result->version, expiry});
    }
  }

  // A counter, in a session. Its retries may not count twice.
  void Increment(const std::string& tag) {
    const std::string key = tag + "counter";
    const std::string_view arguments[] = {key};
    Session& session = sessions_[Draw(3)];
    if (session.token.client == ClientId{}) {
      // Idempotency-Keys have room of their own.
      const uint64_t key = Draw(3) == 0 ? uint64_t{1} << 63 : 0;
      session = {.token = {ClientId(++last_client_ | key), now_ms_ + 600'000}};
    }
    const uint64_t sequence = ++session.sequence;
    Sent sent;
    sent.slot = HashSlot(tag);
    sent.tag = tag;
    sent.stamp = {.token = session.token,
                  .sequence = Sequence(sequence),
                  .floor = Sequence(sequence > 6 ? sequence - 6 : 0)};
    sent.payload = Payload({.op = Op::kIncrBy,
                            .slot = sent.slot,
                            .session = sent.stamp,
                            .numbers = {1, 0},
                            .arguments = arguments});
    const auto result = Send(tag, sent.payload);
    if (!result.has_value()) return;
    int64_t& used_ms = used_ms_[{session.token.client, tag}];
    if (result->status == ResultStatus::kSessionExpired) {
      const bool row_lives =
          used_ms > 0 && seen_ms_[tag] - used_ms < kRowLifeMinMs;
      RC_ASSERT(!row_lives && seen_ms_[tag] > session.token.open_until_ms);
      session = Session();
      return;
    }
    RC_ASSERT(result->status == ResultStatus::kOk && !result->duplicate);
    used_ms = seen_ms_[tag];
    newest_[session.token.client] = sequence;
    const auto found = keys_.find(key);
    int64_t before = 0;
    if (found != keys_.end()) {
      RC_ASSERT(ParseInteger(found->second.bytes, &before));
    }
    RC_ASSERT(result->integer == before + 1);
    Wrote(key, {std::to_string(before + 1), result->version, 0});
    sent.version = result->version;
    sent.status = result->status;
    sent.integer = result->integer;
    history_.push_back(sent);
  }

  void Retry() {
    if (history_.empty()) return;
    Sent& sent = history_[Draw(static_cast<int>(history_.size()))];
    const auto result = Send(sent.tag, sent.payload);
    if (!result.has_value()) return;
    const ClientId client = sent.stamp.token.client;
    int64_t& used_ms = used_ms_[{client, sent.tag}];
    const bool may_be_gone =
        sent.stamp.sequence.value() + 6 < newest_[client] ||
        seen_ms_[sent.tag] - used_ms >= kRowLifeMinMs;
    if (!may_be_gone) RC_ASSERT(result->duplicate);
    if (result->duplicate) used_ms = seen_ms_[sent.tag];
    if (result->duplicate) {
      if (sent.version.group != OwnerOf(sent.tag).id()) {
        ++counts_.duplicates_after_a_move;
      }
      RC_ASSERT(result->status == sent.status);
      RC_ASSERT(result->version == sent.version);
      RC_ASSERT(result->integer == sent.integer);
    } else {
      RC_ASSERT(!result->wrote);
      RC_ASSERT(result->status == ResultStatus::kStaleSequence ||
                result->status == ResultStatus::kSessionExpired);
    }
  }

  void Get(const std::string& key) {
    const std::string tag = key.substr(0, 3);
    const std::string_view arguments[] = {key};
    const auto result = Send(tag, Payload({.op = Op::kGet,
                                           .slot = HashSlot(tag),
                                           .arguments = arguments}));
    if (!result.has_value()) return;
    const auto found = keys_.find(key);
    RC_ASSERT((result->status == ResultStatus::kOk) == (found != keys_.end()));
    if (found == keys_.end()) return;
    RC_ASSERT(result->bytes == found->second.bytes);
    RC_ASSERT(result->version == found->second.version);
  }

  void Flush(const std::string& tag) {
    const int64_t slot = HashSlot(tag).value();
    const auto result = Send(tag, Payload({.op = Op::kFlush,
                                           .slot = HashSlot(tag),
                                           .numbers = {slot, slot}}));
    if (!result.has_value()) return;
    for (auto it = keys_.begin(); it != keys_.end();) {
      const bool removed = it->first.starts_with(tag);
      if (removed) ++changes_[it->first];
      it = removed ? keys_.erase(it) : std::next(it);
    }
  }

  void WatchKey(const std::string& tag) {
    const std::string key = AnyKey(tag);
    const std::string_view arguments[] = {key};
    const auto result = Send(tag, Payload({.op = Op::kWatch,
                                           .slot = HashSlot(tag),
                                           .arguments = arguments}));
    if (!result.has_value()) return;
    const bool present = keys_.contains(key);
    RC_ASSERT((result->status == ResultStatus::kOk) == present);
    if (present) RC_ASSERT(result->version == keys_[key].version);
    watches_.push_back({key, present, result->version, changes_[key]});
  }

  // EXEC of a transaction that watched a key, perhaps in another group.
  void Transaction() {
    if (watches_.empty()) return;
    const Watch watch = Recent(watches_, 6);
    const std::string tag = watch.key.substr(0, 3);
    const std::string key = AnyKey(tag);
    const std::string value = AnyValue();
    const std::string_view watched[] = {watch.key};
    const std::string_view arguments[] = {key, value};
    BatchBuilder batch;
    batch.BeginAtomic(HashSlot(tag), std::nullopt);
    batch.Add({.op = Op::kCheckVersion,
               .slot = HashSlot(tag),
               .flags = watch.present ? CommandFlags{0} : kIfAbsent,
               .expected = watch.version,
               .arguments = watched});
    batch.Add({.op = Op::kSet, .slot = HashSlot(tag), .arguments = arguments});
    batch.EndAtomic();
    const auto result = Send(tag, std::string(batch.Finish().view()));
    if (!result.has_value()) return;
    const bool held = result->status == ResultStatus::kOk;
    const bool changed = changes_[watch.key] != watch.changes;
    if (changed) RC_ASSERT(!held);
    if (!changed && watch.present) RC_ASSERT(held);
    if (!held) return;
    Wrote(key, {value, result->version, 0});
    if (watch.present && watch.version.group != OwnerOf(tag).id()) {
      ++counts_.watches_of_moved_values;
    }
  }

  // ---- At the end.

  void CheckSlot(const std::string& tag) {
    for (int i = 0; i < 4; ++i) Get(tag + std::to_string(i));
    Get(tag + "counter");
    const Slot slot = HashSlot(tag);
    uint64_t expected = 0;
    for (const auto& [key, value] : keys_) {
      if (key.starts_with(tag)) ++expected;
    }
    // Housekeeping has removed all that was due.
    RC_ASSERT(OwnerOf(tag).store().key_count({slot, slot}) == expected);
  }

  void CheckEmpty() {
    for (const char* tag : kTags) Flush(tag);
    now_ms_ += 3 * 3'600'000;
    const std::string expire =
        Payload({.op = Op::kExpire, .numbers = {4096, 0}});
    for (int i = 0; i < kGroups; ++i) {
      TestGroup& group = *groups_[i];
      group.SetTime(now_ms_ + skew_ms_[i]);
      group.EndRestart(1 << 16);
      group.Apply(Buffer::Copy(expire));
      while (group.store().Reclaim(1'000)) {
      }
      RC_ASSERT(group.store().memory_bytes() == 0u);
      RC_ASSERT(group.store().key_count() == 0u);
      RC_ASSERT(group.store().expiring_key_count() == 0u);
      RC_ASSERT(group.store().moves().empty());
      RC_ASSERT(!group.store().first_due_ms().has_value());
      RC_ASSERT(!group.store().shares_pages());
      RC_ASSERT(group.store().owned().empty() == (i != 0));
    }
  }

  uint64_t bits_;
  Counts counts_;
  std::vector<std::unique_ptr<TestGroup>> groups_;
  std::vector<int64_t> skew_ms_;
  int64_t now_ms_ = 1'000;

  std::map<std::string, int> owner_of_;
  std::map<std::string, uint64_t> epoch_of_;
  std::set<std::string> moving_;
  std::vector<Move> moves_;
  uint64_t last_move_ = 0;
  // Steps that had an effect, and their groups.
  std::vector<std::pair<TestGroup*, std::string>> sent_;

  std::map<std::string, Value> keys_;
  std::map<std::string, uint64_t> changes_;
  std::map<std::string, int64_t> seen_ms_;  // The log time of the last command.
  Session sessions_[3];
  uint64_t last_client_ = 0;
  // The log time of the last use of a row, and the newest sequence of a client.
  std::map<std::pair<ClientId, std::string>, int64_t> used_ms_;
  std::map<ClientId, uint64_t> newest_;
  std::vector<Sent> history_;
  std::vector<Watch> watches_;
  uint64_t values_ = 0;
};

RC_GTEST_PROP(SlotMoves, AnyHistory_AgreesWithTheModel, ()) {
  World world(*rc::gen::noShrink(rc::gen::arbitrary<uint64_t>()));
  const int steps =
      *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(0, 4'000));
  for (int i = 0; i < steps; ++i) world.Step();
  world.Finish();
}

TEST(SlotMoves, ALongHistory_ReachesRareSituations) {
  World world(1);
  for (int i = 0; i < 60'000; ++i) world.Step();
  world.Finish();
  const World::Counts& counts = world.counts();
  EXPECT_GT(counts.activated, 100);
  EXPECT_GT(counts.aborted, 100);
  EXPECT_GT(counts.pieces_of_changes, 100);
  EXPECT_GT(counts.cut_items, 100);
  EXPECT_GT(counts.refused_as_frozen, 100);
  EXPECT_GT(counts.duplicates_after_a_move, 10);
  EXPECT_GT(counts.watches_of_moved_values, 10);
  EXPECT_GT(counts.restarts_within_a_stream, 10);
  EXPECT_GT(counts.orphans, 10);
}

}  // namespace
}  // namespace quorate::kv
