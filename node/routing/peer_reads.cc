#include "node/routing/peer_reads.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "env/check.h"
#include "env/time.h"
#include "kv/command/command.h"
#include "kv/command/result.h"
#include "kv/store/long_read.h"
#include "node/base/turn_work.h"
#include "node/config/config.h"

namespace quorate::node {
namespace {

// After this much work, the rest of the batch is left out.
constexpr uint64_t kWorkPerAnswer = TurnWork::kRead * 4096;
// An answer that copies the bytes of more pieces is made in pieces.
constexpr size_t kPiecesAtOnce = 4;
// The encoding of an element has at most this much beside its bytes.
constexpr size_t kElementBytes = 10;

// Why kv::Store::Read does not take the command; kOk if it does. The command
// comes from another node.
kv::ResultStatus RefusalOf(const kv::Store& store,
                           const kv::CommandView& command) {
  switch (command.op) {
    case kv::Op::kGet:
    case kv::Op::kStrlen:
    case kv::Op::kGetRange:
    case kv::Op::kExists:
    case kv::Op::kMGet:
    case kv::Op::kExpireTime:
    case kv::Op::kTtl:
    case kv::Op::kType:
    case kv::Op::kGetBit:
    case kv::Op::kMGetOfSlots:
    case kv::Op::kExistsOfSlots:
    case kv::Op::kKeyCount:
    case kv::Op::kScan:
      if (command.has_session) return kv::ResultStatus::kMalformed;
      return store.RefusalOfSlots(command);
    default:
      return kv::ResultStatus::kMalformed;
  }
}

// The work of finding what a read asks for.
uint64_t WorkOfRead(const kv::CommandView& command) {
  if (command.op == kv::Op::kKeyCount) {
    const auto [first, last] = *kv::SlotsOf(command.op, command.numbers);
    return static_cast<uint64_t>(last - first) / TurnWork::kSlotsPerUnit;
  }
  return TurnWork::OfRead(command.arguments.count());
}

// A read of more keys is answered alone: its result may be large, as values are
// copied into it.
constexpr size_t kKeysAtOnce = 16;

PeerResult Done(Buffer results) {
  PeerResult answer;
  answer.result.outcome = Outcome::kDone;
  answer.result.result = std::move(results);
  return answer;
}

}  // namespace

struct PeerReads::LongAnswer {
  Buffer batch;
  PeerDone done;
  std::unique_ptr<kv::LongRead> read;  // Null: it has not begun.
  bool counted = false;
  kv::ResultBuilder results{kv::Version{}};
};

bool PeerReads::HasManyKeys(const kv::CommandView& command) const {
  return kv::LongRead::Takes(command.op) &&
         command.arguments.count() >
             std::min(kKeysAtOnce, parts_.config.bounds.read_piece_keys);
}

bool PeerReads::HasManyBytes(const kv::ResultView& result) const {
  size_t bytes = 0;
  for (const kv::ResultElement& element : result.elements) {
    bytes += element.bytes.size();
  }
  return bytes > parts_.config.bounds.read_piece_bytes * kPiecesAtOnce;
}

PeerReads::Evaluated PeerReads::EvaluateReads(const kv::Store& store,
                                              const Buffer& batch) const {
  const kv::PointTime point = leadership_.ReadTime();
  const size_t bytes_max = parts_.config.bounds.entry_result_bytes;
  Evaluated evaluated;
  kv::ResultBuilder results(kv::Version{});
  kv::CommandReader reader(batch.view());
  kv::CommandView command;
  uint64_t work = 0;
  const auto all_work = [&] {
    return work + results.size_bytes() / TurnWork::kBytesPerUnit;
  };
  while (reader.ok() && !reader.done() &&
         (results.count() == 0 ||
          (results.size_bytes() < bytes_max && all_work() < kWorkPerAnswer))) {
    const kv::ResultStatus refusal = reader.Next(&command)
                                         ? RefusalOf(store, command)
                                         : kv::ResultStatus::kMalformed;
    if (refusal != kv::ResultStatus::kOk) {
      results.AddNone({.status = refusal});
      continue;
    }
    bool is_long = HasManyKeys(command);
    if (!is_long) work += WorkOfRead(command);
    const bool added =
        !is_long &&
        store.Read(command, point, [&](const kv::ResultView& result) {
          is_long = kv::LongRead::Takes(command.op) && HasManyBytes(result);
          if (is_long) return;
          if (command.op == kv::Op::kScan) {
            work +=
                TurnWork::kScannedKey * kv::ArrayReader(result.bytes).count();
          }
          results.Add(result);
        });
    if (is_long) evaluated.begins_long = results.count() == 0;
    if (is_long || !added) break;
  }
  evaluated.work = all_work();
  evaluated.results = results.Finish();
  return evaluated;
}

void PeerReads::Serve(Buffer batch, PeerDone done, AnswerRoom& room) {
  leadership_.Refresh();
  if (leadership_.kind() != Leadership::Kind::kSelf) {
    return done(forwarding_.NotLeading());
  }
  bool shows_time_left = false;
  for (kv::CommandReader reader(batch.view()); reader.ok() && !reader.done();
       reader.Skip()) {
    shows_time_left |= kv::ShowsTimeLeft(reader.NextHeader().op);
  }
  auto answer = [this, batch = std::move(batch), done = std::move(done),
                 &room](absl::Status status) mutable {
    if (!status.ok()) return done(forwarding_.NotLeading());
    ServeSoon(std::move(batch), std::move(done), room);
  };
  parts_.host.Read(leadership_.group(), std::move(answer),
                   {.shows_log_time = shows_time_left});
}

void PeerReads::ServeSoon(Buffer batch, PeerDone done, AnswerRoom& room) {
  short_work_.Add([this, batch = std::move(batch), done = std::move(done),
                   &room]() mutable {
    room.Await(std::move(done),
               [this, batch = std::move(batch), &room](PeerDone then) mutable {
                 ServeNow(std::move(batch), std::move(then), room);
               });
    return true;
  });
}

void PeerReads::ServeNow(Buffer batch, PeerDone done, AnswerRoom& room) {
  const kv::Store* here = leadership_.store();
  if (here == nullptr) return done(forwarding_.NotLeading());
  Evaluated evaluated = EvaluateReads(*here, batch);
  parts_.work.Add(evaluated.work);
  if (!evaluated.begins_long) return done(Done(std::move(evaluated.results)));
  room.AwaitLong(
      std::move(done), [this, batch = std::move(batch)](PeerDone then) mutable {
        auto answer = std::make_unique<LongAnswer>();
        answer->batch = std::move(batch);
        answer->done = std::move(then);
        long_work_.Add(
            [this, answer = std::move(answer)] { return ServePiece(*answer); });
      });
}

bool PeerReads::Begin(LongAnswer& answer) {
  kv::CommandReader reader(answer.batch.view());
  kv::CommandView command;
  CHECK(reader.Next(&command));
  const kv::Store* here = leadership_.store();
  if (here == nullptr ||
      here->RefusalOfSlots(command) != kv::ResultStatus::kOk) {
    return false;
  }
  std::vector<std::string_view> arguments;
  arguments.reserve(command.arguments.count());
  while (command.arguments.count() > 0) {
    arguments.push_back(command.arguments.Next());
  }
  answer.read = here->BeginLongRead(
      command.op, command.slot, std::move(arguments), leadership_.ReadTime());
  return true;
}

bool PeerReads::ServePiece(LongAnswer& answer) {
  if (answer.read == nullptr && !Begin(answer)) {
    answer.done(forwarding_.NotLeading());
    return true;
  }
  const BoundsConfig& bounds = parts_.config.bounds;
  kv::LongRead& read = *answer.read;
  if (!answer.counted) {
    parts_.work.Add(TurnWork::OfRead(bounds.read_piece_keys));
    if (read.Count(bounds.read_piece_keys)) return false;
    answer.counted = true;
    if (read.needs_time() || !read.has_elements()) {
      if (!read.needs_time()) answer.results.Add(read.Whole());
      answer.done(Done(answer.results.Finish()));
      return true;
    }
    answer.results.Reserve(read.value_bytes() + read.size() * kElementBytes);
    answer.results.BeginArray({}, static_cast<uint32_t>(read.size()));
  }
  size_t bytes = 0;
  for (const kv::ResultElement& element :
       read.Next(bounds.read_piece_keys, bounds.read_piece_bytes)) {
    bytes += element.bytes.size();
    element.nil ? answer.results.AddNil()
                : answer.results.AddElement(element.bytes);
  }
  parts_.work.Add(TurnWork::OfRead(bounds.read_piece_keys) +
                  bytes / TurnWork::kCopiedBytesPerUnit);
  if (!read.done()) return false;
  answer.results.EndArray();
  answer.done(Done(answer.results.Finish()));
  return true;
}

}  // namespace quorate::node
