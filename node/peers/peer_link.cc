#include "node/peers/peer_link.h"

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/check.h"
#include "env/outcome.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

constexpr env::Lane kLane = env::Lane::kRequests;

}  // namespace

PeerLink::PeerLink(env::Env& env, const PeerLinkOptions& options,
                   TurnWork& work, PeerCounters& counters,
                   absl::AnyInvocable<void()> on_room)
    : env_(env),
      options_(options),
      work_(work),
      counters_(counters),
      on_room_(std::move(on_room)),
      alarm_(env.loop, [this] { OnAlarm(); }) {}

bool PeerLink::HasRoom(size_t payload_bytes) {
  const size_t bytes = kRequestHeaderBytes + payload_bytes;
  const bool room =
      (asked_bytes_ == 0 || asked_bytes_ + bytes <= options_.bytes_max) &&
      !env_.transport.Congested(options_.link.to, kLane);
  room_was_lacking_ |= !room;
  return room;
}

void PeerLink::OfferRoom() {
  if (std::exchange(room_was_lacking_, false)) on_room_();
}

uint64_t PeerLink::Ask(PeerRequest request, PeerDone done) {
  const uint64_t number = next_number_++;
  const bool sent = !env_.transport.Congested(options_.link.to, kLane);
  Request& added = requests_[number];
  added = {.kind = request.kind,
           .bytes = kRequestHeaderBytes + request.payload.size(),
           .done = std::move(done),
           .sent = sent,
           .lost = !sent};
  ++counters_.asked;
  asked_bytes_ += added.bytes;
  SetDeadline(number, &added);
  SetAlarm();
  if (!sent) {
    FailLostLater();
    return number;
  }
  // Sending may find that the lane has lost its connection.
  env_.transport.Send(
      options_.link.to, kLane,
      EncodePeerRequest(options_.link, {.id = {options_.life, number},
                                        .settled = requests_.begin()->first,
                                        .request = std::move(request)}));
  return number;
}

void PeerLink::GiveUp(uint64_t number, const char* why) {
  const auto found = requests_.find(number);
  if (found != requests_.end() && !found->second.arrived()) Fail(found, why);
}

void PeerLink::SetDeadline(uint64_t number, Request* request) {
  deadlines_.erase({request->deadline, number});
  request->deadline = env_.loop.ReadClock().mono + TimeoutOf(request->kind);
  deadlines_.insert({request->deadline, number});
}

PeerDone PeerLink::Remove(Requests::iterator found) {
  PeerDone done = std::move(found->second.done);
  asked_bytes_ -= found->second.bytes;
  deadlines_.erase({found->second.deadline, found->first});
  requests_.erase(found);
  OfferRoom();
  return done;
}

void PeerLink::Fail(Requests::iterator found, const char* why) {
  PeerResult result;
  result.result.outcome =
      found->second.sent ? Outcome::kUnknown : Outcome::kNotExecuted;
  result.result.status = absl::UnavailableError(why);
  ++counters_.unanswered;
  Remove(found)(std::move(result));
}

void PeerLink::OnLaneClosed() {
  for (auto& [number, request] : requests_) request.lost = !request.arrived();
  if (!requests_.empty()) FailLostLater();
}

void PeerLink::FailLostLater() {
  lost_ = env_.loop.Defer([this] { FailLost(); });
}

void PeerLink::FailLost() {
  std::vector<uint64_t> lost;
  for (const auto& [number, request] : requests_) {
    if (request.lost && !request.arrived()) lost.push_back(number);
  }
  for (const uint64_t number : lost) {
    const auto found = requests_.find(number);
    CHECK(found != requests_.end()) << number;
    Fail(found, "the connection to the leader was lost");
  }
}

void PeerLink::OnAnswer(const PeerAnswerPiece& piece) {
  const auto found = piece.id.asker == options_.life
                         ? requests_.find(piece.id.number)
                         : requests_.end();
  if (found == requests_.end()) return;  // It comes too late.
  if (env_.buggify.Fire("node.peer_link_lost")) return OnLaneClosed();
  Request& request = found->second;
  if (request.pieces.empty()) {
    request.size = piece.size;
    request.pieces.resize((piece.size + kAnswerPieceBytes - 1) /
                          kAnswerPieceBytes);
  }
  if (piece.size != request.size) {
    ++counters_.malformed;
    return;
  }
  const size_t at = piece.offset / kAnswerPieceBytes;
  Buffer& place = request.pieces[at];
  if (!place.empty() || at < request.joined_pieces) return;  // It came twice.
  place = piece.bytes;
  request.received += piece.bytes.size();
  Join(request, /*own_turn=*/false);
  if (!request.arrived()) {
    SetDeadline(piece.id.number, &request);
    return SetAlarm();
  }
  deadlines_.erase({request.deadline, piece.id.number});
  arrived_.push_back(piece.id.number);
  if (arrived_.size() == 1) TakeArrived(/*own_turn=*/false);
}

bool PeerLink::Join(Request& request, bool own_turn) {
  // A single piece is the answer.
  if (request.pieces.size() == 1) return true;
  while (request.joined_pieces < request.pieces.size()) {
    Buffer& piece = request.pieces[request.joined_pieces];
    if (piece.empty() || (!own_turn && work_.exhausted())) return false;
    own_turn = false;
    // The memory is used as it is filled.
    if (request.joined.empty()) request.joined.reserve(request.size);
    request.joined.append(piece.view());
    work_.Add(piece.size() / TurnWork::kCopiedBytesPerUnit);
    piece = Buffer();
    ++request.joined_pieces;
  }
  return true;
}

void PeerLink::TakeArrived(bool own_turn) {
  while (!arrived_.empty()) {
    const auto found = requests_.find(arrived_.front());
    CHECK(found != requests_.end()) << arrived_.front();
    if (!Join(found->second, std::exchange(own_turn, false))) {
      continue_ = env_.loop.At(env_.loop.ReadClock().mono,
                               [this] { TakeArrived(/*own_turn=*/true); });
      return;
    }
    arrived_.pop_front();
    TakeAnswer(found);
  }
}

void PeerLink::TakeAnswer(Requests::iterator found) {
  Request& request = found->second;
  const Buffer whole = request.pieces.size() == 1
                           ? std::move(request.pieces.front())
                           : Buffer::Take(std::move(request.joined));
  absl::StatusOr<PeerResult> result = DecodePeerResult(request.kind, whole);
  if (!result.ok()) {
    ++counters_.malformed;
    return Fail(found, "the leader's answer is malformed");
  }
  Remove(found)(*std::move(result));
}

void PeerLink::SetAlarm() {
  if (!deadlines_.empty()) alarm_.SetFor(deadlines_.begin()->first);
}

void PeerLink::OnAlarm() {
  const MonoTime now = env_.loop.ReadClock().mono;
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const auto found = requests_.find(deadlines_.begin()->second);
    CHECK(found != requests_.end()) << deadlines_.begin()->second;
    Fail(found, "the leader did not answer in time");
  }
  SetAlarm();
}

}  // namespace quorate::node
