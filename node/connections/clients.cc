#include "node/connections/clients.h"

#include <algorithm>
#include <utility>

#include "env/check.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

// A peer that reads fewer bytes a second while output waits for it is slow.
constexpr uint64_t kProvenRate = 1 << 20;
// The last quarter of the budget admits a large reply of at most this many
// times the bytes that the peer has proven to read.
constexpr uint64_t kSparedPerProven = 64;
// A connection that holds less does not count against the budget of the node.
constexpr size_t kCountedFromBytes = 16 << 10;
// A reply above bounds.turn_reply_bytes is followed by a pause. The pause lasts
// this many times as long as the turn that made the reply. No further large
// reply is made in the pause: other work continues, and closed connections are
// noticed before replies are made for them.
constexpr int64_t kLargeReplyPauses = 2;
constexpr Duration kLargeReplyPauseMax = Seconds(1);
// Interval at which connections that wait for room are checked, since a stream
// may send bytes without a call.
constexpr Duration kRoomInterval = Milliseconds(20);
// After the last reply, further input is read and dropped until the peer ends
// its side, or for this time. Closing at once would reset the stream, and the
// peer could lose the reply.
constexpr Duration kLingerMax = Seconds(2);
// A stopping node closes a connection so long after the last request that it
// refused there, and at most so long after the first one.
constexpr Duration kRefusalQuiet = Milliseconds(20);
constexpr Duration kRefusalsMax = Milliseconds(100);
// Connections that one turn sweeps.
constexpr int kTurnSweepsMax = 256;

}  // namespace

ClientConnection::ClientConnection(Clients& clients, uint64_t id,
                                   std::unique_ptr<env::Connection> connection)
    : clients_(clients),
      id_(id),
      connection_(std::move(connection)),
      peer_address_(connection_->peer_address()),
      created_(clients.env_.loop.ReadClock().mono),
      budgeted_(clients.budget_.used()),
      measured_(created_),
      last_input_(created_),
      last_progress_(created_) {}

ClientConnection::~ClientConnection() {
  clients_.input_.Change(*this, 0, false);
}

void ClientConnection::WantFlush() {
  // Counted now, because other connections may get replies in this turn.
  Count();
  if (flush_wanted_) return;
  flush_wanted_ = true;
  clients_.Schedule(*this);
}

void ClientConnection::WantResume() {
  if (resume_wanted_) return;
  resume_wanted_ = true;
  clients_.Schedule(*this);
}

size_t ClientConnection::unsent_bytes() const {
  return out_.size() + (closed() ? 0 : connection_->unsent_bytes());
}

void ClientConnection::AddWork(uint64_t units) { clients_.work_.Add(units); }

void ClientConnection::Hold(size_t bytes) {
  held_bytes_ += bytes;
  Count();
}

bool ClientConnection::HoldIfFits(size_t bytes) {
  if (held_bytes_ + bytes > bounds().turn_reply_bytes &&
      !clients_.budget_.Fits(bytes)) {
    return false;
  }
  Hold(bytes);
  return true;
}

const BoundsConfig& ClientConnection::bounds() const {
  return clients_.config_.bounds;
}

size_t ClientConnection::window_bytes() const {
  const size_t most = clients_.config_.bounds.output_buffer_bytes;
  if (proven_bytes_ >= most) return most;
  return std::min(most,
                  std::max<size_t>(bounds().first_window_bytes, proven_bytes_));
}

void ClientConnection::Measure() {
  if (closed()) return;
  const MonoTime now = clients_.env_.loop.ReadClock().mono;
  const size_t unsent = connection_->unsent_bytes();
  const uint64_t taken = written_bytes_ - unsent - measured_bytes_;
  const Duration elapsed = now - measured_;
  if (unsent > 0 && elapsed < Seconds(1)) return;
  // Less than kCountedFromBytes is not measured when it is sent.
  const bool slow =
      (unsent > 0 || taken >= kCountedFromBytes) && elapsed >= Seconds(1) &&
      taken <
          kProvenRate * static_cast<uint64_t>(elapsed.ns() / Seconds(1).ns());
  proven_bytes_ = slow ? 0 : proven_bytes_ + taken;
  measured_bytes_ += taken;
  measured_ = now;
}

bool ClientConnection::HasRoom(size_t bytes, bool in_front) const {
  if (closed()) return true;
  const size_t unsent = connection_->unsent_bytes();
  const size_t fresh = out_.size() + (in_front ? 0 : held_bytes_);
  const bool small = bytes <= bounds().turn_reply_bytes;
  const bool turn_is_full = clients_.turn_bytes_ >= bounds().turn_total_bytes;
  if (!small && (turn_is_full || clients_.large_reply_at_ >
                                     clients_.env_.loop.ReadClock().mono)) {
    return false;
  }
  // Replies behind this one are sent only after it. So it must not wait for the
  // budget that they use.
  const bool frees = in_front && held_bytes_ > 0;
  if (unsent + fresh == 0 && (small || frees)) return true;
  if (turn_is_full || clients_.budget_.exhausted()) {
    if (small) return unsent == 0 && fresh < bounds().fresh_reply_bytes;
    return unsent + fresh == 0 && clients_.budget_.Spares() &&
           bytes / kSparedPerProven <= proven_bytes_;
  }
  return unsent + fresh == 0 ||
         (unsent + fresh + bytes < window_bytes() &&
          flushed_bytes_ + fresh < bounds().turn_reply_bytes);
}

bool ClientConnection::RoomFor(size_t bytes, bool in_front) {
  Count();
  const bool waits = !closed() && unsent_bytes() + held_bytes_ > 0 &&
                     clients_.env_.buggify.Fire("node.reply_waits_for_room");
  // Work that has begun is finished: it asks for the room of its reply.
  // Connections that wait continue in step 2 of the next turn, whatever work
  // the inputs of its step 1 make.
  const bool works = bytes > 0 || !clients_.work_.exhausted() || closed();
  if (works && !waits && HasRoom(bytes, in_front)) return true;
  // This request waits for an earlier reply and continues after it.
  if (works && !in_front && HasRoom(bytes, true)) return false;
  awaited_bytes_ = awaits_room_ ? std::min(awaited_bytes_, bytes) : bytes;
  awaits_room_ = true;
  clients_.RecheckNextTurn(*this);
  return false;
}

void ClientConnection::Count() {
  const size_t bytes = closed() ? 0 : unsent_bytes() + held_bytes_;
  const size_t counted = bytes < kCountedFromBytes ? 0 : bytes;
  if (counted > budgeted_.bytes()) {
    clients_.turn_bytes_ += counted - budgeted_.bytes();
  }
  budgeted_.Resize(counted);
}

bool ClientConnection::TryToResume() {
  Measure();
  Count();
  if (!awaits_room_) return false;
  flushed_bytes_ = 0;
  if (!HasRoom(awaited_bytes_, true)) return true;
  awaits_room_ = false;
  WantResume();
  return false;
}

bool ClientConnection::stops() const { return clients_.stopped_; }

void ClientConnection::RequestRefused() {
  const MonoTime now = clients_.env_.loop.ReadClock().mono;
  refused_since_ = std::min(refused_since_, now);
  linger_ = clients_.env_.loop.At(
      std::min(now + kRefusalQuiet, refused_since_ + kRefusalsMax),
      [this] { CloseAfterFlush(); });
}

void ClientConnection::PauseReads() {
  if (reads_paused_ || closing_ || closed()) return;
  reads_paused_ = true;
  connection_->PauseReads();
}

void ClientConnection::ResumeReads() {
  if (!reads_paused_ || closed()) return;
  reads_paused_ = false;
  // While it was not read, the client could not complete its request.
  input_progress_ = true;
  connection_->ResumeReads();
}

void ClientConnection::CloseAfterFlush() {
  closing_ = true;
  // Input from now on is dropped.
  ResumeReads();
  WantFlush();
}

void ClientConnection::OnBytes(std::string_view bytes) {
  last_input_ = clients_.env_.loop.ReadClock().mono;
  clients_.metrics_.input_bytes += bytes.size();
  if (closing_) return;
  protocol_->OnBytes(bytes);
  CountInput();
}

void ClientConnection::CountInput() {
  if (closing()) protocol_->DropInput();
  const bool progress = std::exchange(input_progress_, false);
  if (protocol_->partial_bytes() == 0) {
    incomplete_since_ = MonoTime::Max();
  } else if (progress || incomplete_since_ == MonoTime::Max()) {
    incomplete_since_ = clients_.env_.loop.ReadClock().mono;
  }
  clients_.input_.Change(*this, protocol_->input_bytes(), progress);
}

void ClientConnection::RefuseInput() {
  if (closing()) return CountInput();
  protocol_->DropInput();
  protocol_->Refuse(
      Concat("the node holds more than ", clients_.input_.limit_bytes(),
             " bytes of unfinished requests (limits.query_total_bytes). This "
             "connection is closed, because it held many bytes for a long "
             "time. Its unfinished requests were not executed"));
  CountInput();
}

void ClientConnection::OnEnd() {
  ended_ = true;
  if (output_drained_) {
    Close();
    return;
  }
  protocol_->OnEnd();
  WantFlush();
}

void ClientConnection::OnClosed(absl::Status reason) {
  if (absl::IsDeadlineExceeded(reason)) {
    ++clients_.metrics_.connections.closed_stalled;
  }
  Close();
}

void ClientConnection::OnDrained() {
  last_progress_ = clients_.env_.loop.ReadClock().mono;
  if (!end_sent_) {
    TryToResume();
    return;
  }
  output_drained_ = true;
  if (ended_) {
    Close();
    return;
  }
  linger_ =
      clients_.env_.loop.At(last_progress_ + kLingerMax, [this] { Close(); });
}

void ClientConnection::Flush() {
  flush_wanted_ = false;
  if (closed()) {
    out_.Drop();
    return;
  }
  if (!out_.empty()) {
    Measure();
    if (connection_->unsent_bytes() == 0) {
      last_progress_ = clients_.env_.loop.ReadClock().mono;
    }
    clients_.metrics_.output_bytes += out_.size();
    flushed_bytes_ += out_.size();
    written_bytes_ += out_.size();
    if (out_.size() > bounds().turn_reply_bytes) clients_.LargeReplyMade(*this);
    out_.MoveTo([this](Buffer piece) { connection_->Write(std::move(piece)); });
  }
  Count();
  // The stream may send all bytes at the end of this turn without a call of
  // OnDrained.
  if (budgeted_.bytes() > 0 || awaits_room_) clients_.RecheckNextTurn(*this);
  // Outstanding answers are sent first. Requests that came before the end of
  // the input and wait for room are answered too.
  const bool ended = ended_ && !protocol_->stopped();
  if ((closing_ || ended) && protocol_->pending() == 0) {
    closing_ = true;
    if (!std::exchange(end_sent_, true)) connection_->End();
  }
}

void ClientConnection::Close() {
  if (closed()) return;
  linger_.Cancel();
  connection_.reset();
  clients_.refused_.erase(id_);
  Uncount();
  out_.Drop();
  awaits_room_ = false;
  Count();
  protocol_->OnClosed();
  clients_.input_.Change(*this, 0, false);
  clients_.Schedule(*this);  // It is destroyed when no answer is outstanding.
}

void ClientConnection::Uncount() {
  if (!std::exchange(counted_, false)) return;
  --clients_.open_;
}

void ClientConnection::CheckInvariants() const {
  protocol_->CheckInvariants();
  CHECK(!killed_) << "client " << id_ << " was killed and is not closed";
  CHECK(flush_wanted_ || out_.empty()) << "client " << id_;
  if (awaits_room_) {
    CHECK(clients_.look_armed_ || clients_.room_timer_armed_)
        << "client " << id_
        << " waits for room, and no check for room is armed";
  }
  CHECK(!protocol_->stopped() || protocol_->awaits_answer() || awaits_room_ ||
        resume_wanted_)
      << "client " << id_ << " waits for an event that cannot come: pending "
      << protocol_->pending() << ", unsent " << unsent_bytes();
  CHECK(!reads_paused_ || protocol_->stopped() || resume_wanted_)
      << "client " << id_ << " is not read, and no event will resume reads";
}

void ClientConnection::Sweep(MonoTime now) {
  if (closed()) return;
  const TimeoutsConfig& timeouts = clients_.config_.timeouts;
  const size_t unsent = connection_->unsent_bytes();
  if (unsent > 0) {
    const uint64_t taken = connection_->taken_bytes();
    if (std::exchange(taken_bytes_, taken) != taken) {
      last_progress_ = now;
    } else if (now - last_progress_ > bounds().stall) {
      ++clients_.metrics_.connections.closed_stalled;
      Close();
    }
    return;
  }
  if (closing_ || protocol_->pending() > 0) return;
  if (incomplete_since_ != MonoTime::Max() && !reads_paused_ &&
      now - incomplete_since_ > bounds().stall) {
    ++clients_.metrics_.connections.closed_stalled;
    Close();
    return;
  }
  if (timeouts.idle > Duration() && now - last_input_ > timeouts.idle) {
    ++clients_.metrics_.connections.closed_idle;
    Close();
  }
}

Clients::Clients(env::Env& env, const Config& config, Metrics& metrics,
                 OutputBudget& budget, InputBudget& input, TurnWork& work)
    : env_(env),
      config_(config),
      metrics_(metrics),
      budget_(budget),
      input_(input),
      work_(work) {}

Clients::~Clients() = default;

void Clients::Accept(std::unique_ptr<env::Connection> connection,
                     MakeProtocol& make, std::string_view refusal) {
  if (stopped_) return;
  ++metrics_.connections.accepted;
  const uint64_t id = next_id_++;
  auto client =
      std::make_unique<ClientConnection>(*this, id, std::move(connection));
  ClientConnection& taken = *client;
  clients_.emplace(id, std::move(client));
  ++open_;
  taken.connection_->SetObserver(&taken);
  taken.protocol_ = make(taken);
  if (open_ > config_.limits.connections) Refuse(taken, refusal);
  ArmSweep();
}

void Clients::Refuse(ClientConnection& client, std::string_view refusal) {
  ++metrics_.connections.rejected;
  client.Uncount();
  refused_.insert(client.id());
  client.out().text() += refusal;
  client.CloseAfterFlush();
  // A storm of connections must not take the descriptors that the log needs.
  // The oldest one has had the longest time to read its error.
  if (refused_.size() > config_.bounds.refused_connections) {
    clients_.find(*refused_.begin())->second->Close();
  }
}

std::vector<ClientConnection*> Clients::All() const {
  std::vector<ClientConnection*> all;
  for (const auto& [id, client] : clients_) {
    if (client->counted_) all.push_back(client.get());
  }
  return all;
}

ClientConnection* Clients::Find(uint64_t id) const {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return nullptr;
  ClientConnection* const client = found->second.get();
  return client->counted_ ? client : nullptr;
}

// The call may come from the router, which is giving out the results of a
// batch. The stream therefore stays until the end of the turn.
void Clients::Kill(ClientConnection& client) {
  client.closing_ = true;
  client.killed_ = true;
  client.Uncount();
  Schedule(client);
}

bool Clients::idle() const {
  return std::all_of(clients_.begin(), clients_.end(), [](const auto& entry) {
    const ClientConnection& client = *entry.second;
    const bool closes =
        client.refused_since_ != MonoTime::Max() && !client.closing();
    return client.protocol_->pending() == 0 && !closes &&
           (client.closed() || client.unsent_bytes() == 0);
  });
}

// Requests that wait for room or for answers are refused now.
void Clients::StopServing() {
  stopped_ = true;
  for (const auto& [id, client] : clients_) {
    if (!client->closing()) client->WantResume();
  }
}

void Clients::CloseAll() {
  for (const auto& [id, client] : clients_) {
    if (!client->closing()) client->CloseAfterFlush();
  }
}

void Clients::Schedule(ClientConnection& client) {
  scheduled_.push_back(client.id());
  if (turn_end_deferred_) return;
  turn_end_deferred_ = true;
  turn_end_ = env_.loop.Defer([this] { RunTurnEnd(); });
}

void Clients::RunTurnEnd() {
  turn_end_deferred_ = false;
  std::vector<uint64_t> scheduled;
  scheduled.swap(scheduled_);
  for (const uint64_t id : scheduled) {
    const auto found = clients_.find(id);
    if (found == clients_.end()) continue;
    ClientConnection& client = *found->second;
    if (client.killed_) client.Close();
    if (client.closed()) {
      client.flush_wanted_ = false;
      client.resume_wanted_ = false;
      if (client.protocol_->pending() == 0) clients_.erase(found);
      continue;
    }
    if (client.resume_wanted_) {
      client.resume_wanted_ = false;
      client.protocol_->Resume();
      // If no answer is outstanding, the stream can end.
      if (client.ended_) client.flush_wanted_ = true;
    }
    if (client.flush_wanted_) client.Flush();
    if (!client.closed()) client.CountInput();
  }
}

void Clients::RecheckNextTurn(ClientConnection& client) {
  if (!std::exchange(client.look_wanted_, true)) looks_.push_back(client.id());
  if (look_armed_) return;
  look_armed_ = true;
  look_ = env_.loop.At(env_.loop.ReadClock().mono, [this] { RunLook(); });
}

void Clients::RunLook() {
  look_armed_ = false;
  turn_bytes_ = 0;
  work_.Begin();
  EndLargeReply();
  std::vector<uint64_t> looks;
  looks.swap(looks_);
  // The rotation gives each client the first place in some turn.
  if (!looks.empty()) {
    std::rotate(looks.begin(), looks.begin() + 1, looks.end());
  }
  bool awaited = false;
  for (const uint64_t id : looks) {
    const auto found = clients_.find(id);
    if (found == clients_.end()) continue;
    found->second->look_wanted_ = false;
    awaited = found->second->TryToResume() || awaited;
  }
  if (awaited) ArmRoomTimer();
}

void Clients::ArmRoomTimer() {
  if (room_timer_armed_) return;
  room_timer_armed_ = true;
  const MonoTime now = env_.loop.ReadClock().mono;
  MonoTime at = now + kRoomInterval;
  if (large_reply_at_ > now) at = std::min(at, large_reply_at_);
  room_timer_ = env_.loop.At(at, [this] {
    room_timer_armed_ = false;
    turn_bytes_ = 0;
    bool awaited = false;
    // Count all connections first: a share that shrank makes room for others.
    for (const auto& [id, client] : clients_) client->Count();
    // The connection that received the last large reply comes last.
    const auto first = clients_.upper_bound(large_reply_to_);
    for (auto it = first; it != clients_.end(); ++it) {
      awaited = it->second->TryToResume() || awaited;
    }
    for (auto it = clients_.begin(); it != first; ++it) {
      awaited = it->second->TryToResume() || awaited;
    }
    if (awaited) ArmRoomTimer();
  });
}

void Clients::LargeReplyMade(ClientConnection& client) {
  large_reply_to_ = client.id();
  large_reply_made_ = env_.loop.ReadClock().mono;
  // EndLargeReply sets the end of the pause.
  large_reply_at_ = MonoTime::Max();
  RecheckNextTurn(client);
}

void Clients::EndLargeReply() {
  if (large_reply_at_ != MonoTime::Max()) return;
  const MonoTime now = env_.loop.ReadClock().mono;
  large_reply_at_ =
      now + std::min((now - large_reply_made_) * kLargeReplyPauses,
                     kLargeReplyPauseMax);
}

size_t Clients::awaiting_room() const {
  return static_cast<size_t>(std::count_if(
      clients_.begin(), clients_.end(),
      [](const auto& entry) { return entry.second->awaits_room_; }));
}

size_t Clients::gone() const {
  return static_cast<size_t>(
      std::count_if(clients_.begin(), clients_.end(),
                    [](const auto& entry) { return entry.second->closed(); }));
}

void Clients::CheckInvariants() const {
  for (const auto& [id, client] : clients_) {
    if (client->connection_ != nullptr) client->CheckInvariants();
  }
}

void Clients::ArmSweep() {
  if (sweep_armed_ || clients_.empty()) return;
  sweep_armed_ = true;
  const TimeoutsConfig& timeouts = config_.timeouts;
  Duration interval = config_.bounds.stall / 4;
  if (timeouts.idle > Duration()) {
    interval = std::min(interval, timeouts.idle / 4);
  }
  interval = std::max(interval, Milliseconds(10));
  sweep_ = env_.loop.At(env_.loop.ReadClock().mono + interval,
                        [this] { SweepFrom(/*first=*/0); });
}

// A sweep may close every connection that it looks at.
void Clients::SweepFrom(uint64_t first) {
  const MonoTime now = env_.loop.ReadClock().mono;
  auto client = clients_.lower_bound(first);
  for (int i = 0; i < kTurnSweepsMax && client != clients_.end(); ++i) {
    client->second->Sweep(now);
    ++client;
  }
  if (client != clients_.end()) {
    sweep_ =
        env_.loop.At(now, [this, next = client->first] { SweepFrom(next); });
    return;
  }
  sweep_armed_ = false;
  ArmSweep();
}

}  // namespace quorate::node
