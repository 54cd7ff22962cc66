#include "node/peers/peer_answers.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "env/check.h"
#include "env/outcome.h"

namespace quorate::node {
namespace {

constexpr env::Lane kAnswerLane = env::Lane::kRequests;
// In a turn, requests that waited are executed up to this size of them and of
// answers.
constexpr size_t kTurnBytes = 256 << 10;

size_t BytesOf(const PeerRequest& request) {
  return kRequestHeaderBytes + request.payload.size();
}

PeerResult MakeResult(Outcome outcome, absl::Status why) {
  PeerResult result;
  result.result.outcome = outcome;
  result.result.status = std::move(why);
  return result;
}

}  // namespace

PeerAnswers::PeerAnswers(env::Env& env, const PeerLinkOptions& options,
                         PeerCounters& counters, Handler& handler)
    : env_(env),
      options_(options),
      counters_(counters),
      handler_(handler),
      alarm_(env.loop, [this] {
        SendWaiting();
        RefuseExpired(unmade_);
        RefuseExpired(unmade_long_);
        SetAlarm();
      }) {}

void PeerAnswers::OnRequest(PeerRequestMessage message) {
  const PeerRequestId id = message.id;
  DropSettled(id.asker, message.settled);
  if (!taken_.Take(id, message.settled)) {
    ++counters_.repeated;
    env_.tracer.Sometimes("node.repeated_request");
    return;
  }
  ++counters_.taken;
  // An earlier process of this node may have executed the batch.
  if (message.request.kind == PeerRequest::Kind::kApply &&
      message.request.stamp.life != options_.life) {
    env_.tracer.Sometimes("node.request_to_an_earlier_process");
    return Answer(
        id, MakeResult(Outcome::kUnknown,
                       absl::UnavailableError("the leader has restarted")));
  }
  request_bytes_ += BytesOf(message.request);
  if (delayed_.empty() && HasRoom() &&
      !env_.buggify.Fire("node.request_waits_a_turn")) {
    return Execute(id, std::move(message.request));
  }
  ++counters_.delayed;
  env_.tracer.Sometimes("node.request_waits_for_answers");
  delayed_.push_back(
      {.id = id,
       .request = std::move(message.request),
       .expires = env_.loop.ReadClock().mono + options_.timeout});
  SetAlarm();
  ContinueLater();
}

void PeerAnswers::Execute(const PeerRequestId& id, PeerRequest request) {
  const size_t bytes = BytesOf(request);
  auto done = [this, id, bytes](PeerResult result) {
    request_bytes_ -= bytes;
    Answer(id, std::move(result));
  };
  handler_(std::move(request), std::move(done), *this);
}

void PeerAnswers::Await(PeerDone done, Make make) {
  if (unmade_.empty() && HasRoom() &&
      !env_.buggify.Fire("node.answer_waits_a_turn")) {
    return make(std::move(done));
  }
  env_.tracer.Sometimes("node.answer_waits_for_answers");
  unmade_.push_back({.done = std::move(done),
                     .make = std::move(make),
                     .expires = env_.loop.ReadClock().mono + options_.timeout});
  SetAlarm();
  ContinueLater();
}

void PeerAnswers::AwaitLong(PeerDone done, Make make) {
  if (!makes_long_ && unmade_long_.empty() && HasRoom()) {
    return MakeLong(std::move(done), std::move(make));
  }
  env_.tracer.Sometimes("node.long_answer_waits_for_another");
  unmade_long_.push_back(
      {.done = std::move(done),
       .make = std::move(make),
       .expires = env_.loop.ReadClock().mono + options_.timeout});
  SetAlarm();
}

void PeerAnswers::MakeLong(PeerDone done, Make make) {
  makes_long_ = true;
  make([this, done = std::move(done)](PeerResult result) mutable {
    makes_long_ = false;
    done(std::move(result));
  });
}

bool PeerAnswers::MayContinue() const {
  return HasRoom() && (!unmade_.empty() || !delayed_.empty() ||
                       (!unmade_long_.empty() && !makes_long_));
}

bool PeerAnswers::ContinueWithNext() {
  if (!MayContinue()) return false;
  if (!unmade_.empty()) {
    Unmade first = std::move(unmade_.front());
    unmade_.pop_front();
    first.make(std::move(first.done));
  } else if (!unmade_long_.empty() && !makes_long_) {
    Unmade first = std::move(unmade_long_.front());
    unmade_long_.pop_front();
    MakeLong(std::move(first.done), std::move(first.make));
  } else {
    Delayed first = std::move(delayed_.front());
    delayed_.pop_front();
    made_bytes_ += BytesOf(first.request);
    Execute(first.id, std::move(first.request));
  }
  return true;
}

void PeerAnswers::Continue() {
  const uint64_t end = made_bytes_ + kTurnBytes;
  while (made_bytes_ < end && ContinueWithNext()) {
  }
  ContinueLater();
}

void PeerAnswers::ContinueLater() {
  if (!MayContinue()) return;
  next_turn_ = env_.loop.At(env_.loop.ReadClock().mono, [this] { Continue(); });
}

void PeerAnswers::Answer(const PeerRequestId& id, PeerResult result) {
  if (result.channel.channel != 0) result.channel.life = options_.life;
  PeerAnswer answer = EncodePeerResult(result);
  answer_bytes_ += answer.size();
  made_bytes_ += answer.size();
  counters_.answer_bytes += answer.size();
  waiting_.push_back(
      {.id = id,
       .answer = std::move(answer),
       .expires = env_.loop.ReadClock().mono + options_.timeout});
  SendWaiting();
  SetAlarm();
}

void PeerAnswers::SendWaiting() {
  DropExpired();
  while (!waiting_.empty() &&
         !env_.transport.Congested(options_.link.to, kAnswerLane)) {
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    const std::vector<Buffer> piece =
        EncodePeerAnswerPiece(options_.link, next.id, next.answer, next.offset);
    next.offset += kAnswerPieceBytes;
    // A piece that is sent again does not count: a node that starts and fails
    // for ever would have its answers kept for ever.
    if (next.offset > next.most_sent) {
      next.most_sent = next.offset;
      next.expires = env_.loop.ReadClock().mono + options_.timeout;
    }
    auto& then = next.offset < next.answer.size() ? waiting_ : sent_;
    then.push_back(std::move(next));
    // Sending may find that the lane has lost its connection.
    env_.transport.Send(options_.link.to, kAnswerLane, piece);
  }
  while (!sent_.empty() && !HasRoom()) DropSent();
  ContinueLater();
}

// The connection of answers is not that of their requests. It may have been
// lost without notice, when the asking node restarted, before the answers left.
void PeerAnswers::OnLaneClosed() {
  if (!sent_.empty()) env_.tracer.Sometimes("node.answers_sent_again");
  waiting_.insert(waiting_.begin(), std::make_move_iterator(sent_.begin()),
                  std::make_move_iterator(sent_.end()));
  sent_.clear();
  for (Waiting& waiting : waiting_) waiting.offset = 0;
}

void PeerAnswers::DropSettled(uint64_t asker, uint64_t settled) {
  while (!delayed_.empty() && delayed_.front().id.asker == asker &&
         delayed_.front().id.number < settled) {
    DropDelayed();
  }
  while (!sent_.empty() && (sent_.front().id.asker != asker ||
                            sent_.front().id.number < settled)) {
    DropSent();
  }
}

void PeerAnswers::DropDelayed() {
  request_bytes_ -= BytesOf(delayed_.front().request);
  delayed_.pop_front();
}

void PeerAnswers::DropSent() {
  answer_bytes_ -= sent_.front().answer.size();
  sent_.pop_front();
}

void PeerAnswers::DropExpired() {
  const MonoTime now = env_.loop.ReadClock().mono;
  std::erase_if(waiting_, [&](const Waiting& waiting) {
    if (waiting.expires > now) return false;
    answer_bytes_ -= waiting.answer.size();
    return true;
  });
  while (!sent_.empty() && sent_.front().expires <= now) DropSent();
  while (!delayed_.empty() && delayed_.front().expires <= now) DropDelayed();
}

void PeerAnswers::RefuseExpired(Fifo<Unmade>& unmade) {
  const MonoTime now = env_.loop.ReadClock().mono;
  while (!unmade.empty() && unmade.front().expires <= now) {
    Unmade first = std::move(unmade.front());
    unmade.pop_front();
    first.done(MakeResult(
        Outcome::kNotExecuted,
        absl::UnavailableError("answers wait for room on the link")));
  }
}

void PeerAnswers::SetAlarm() {
  for (const Waiting& waiting : waiting_) alarm_.SetFor(waiting.expires);
  if (!sent_.empty()) alarm_.SetFor(sent_.front().expires);
  if (!delayed_.empty()) alarm_.SetFor(delayed_.front().expires);
  if (!unmade_.empty()) alarm_.SetFor(unmade_.front().expires);
  if (!unmade_long_.empty()) alarm_.SetFor(unmade_long_.front().expires);
}

}  // namespace quorate::node
