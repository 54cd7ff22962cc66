#include "node/clients.h"

#include <algorithm>
#include <utility>

namespace quorate::node {
namespace {

// Output above this holds requests back until the client has read some.
constexpr size_t kOutputSoftBytes = 1 << 20;
// After the last reply, what the peer still sends is read and dropped for so long unless it ends first: closing at once
// would reset the stream, which may cost the peer the reply.
constexpr Duration kLingerMax = Seconds(2);

}  // namespace

Client::Client(Clients& clients, uint64_t id,
               std::unique_ptr<env::Connection> connection)
    : clients_(clients),
      id_(id),
      connection_(std::move(connection)),
      peer_address_(connection_->peer_address()),
      created_(clients.env_.loop.ReadClock().mono),
      last_input_(created_),
      last_progress_(created_) {}

void Client::WantFlush() {
  if (flush_wanted_) return;
  flush_wanted_ = true;
  clients_.Schedule(*this);
}

void Client::WantResume() {
  if (resume_wanted_) return;
  resume_wanted_ = true;
  clients_.Schedule(*this);
}

size_t Client::unsent_bytes() const {
  return out_.size() +
         (connection_ == nullptr ? 0 : connection_->unsent_bytes());
}

bool Client::output_congested() const {
  return unsent_bytes() > kOutputSoftBytes;
}

void Client::PauseReads() {
  if (reads_paused_ || closing_ || connection_ == nullptr) return;
  reads_paused_ = true;
  connection_->PauseReads();
}

void Client::ResumeReads() {
  if (!reads_paused_ || connection_ == nullptr || clients_.stopped_) return;
  reads_paused_ = false;
  connection_->ResumeReads();
}

void Client::CloseAfterFlush() {
  closing_ = true;
  // From here on what comes is dropped.
  ResumeReads();
  WantFlush();
}

void Client::OnBytes(std::string_view bytes) {
  last_input_ = clients_.env_.loop.ReadClock().mono;
  clients_.metrics_.input_bytes += bytes.size();
  if (!closing_) protocol_->OnBytes(bytes);
}

void Client::OnEnd() {
  ended_ = true;
  if (end_left_) {
    Close();
    return;
  }
  protocol_->OnEnd();
  WantFlush();
}

void Client::OnClosed(absl::Status reason) {
  if (absl::IsDeadlineExceeded(reason)) {
    ++clients_.metrics_.connections.closed_stalled;
  }
  Close();
}

void Client::OnDrained() {
  last_progress_ = clients_.env_.loop.ReadClock().mono;
  progress_bytes_ = 0;
  if (!end_sent_) {
    WantResume();
    return;
  }
  end_left_ = true;
  if (ended_) {
    Close();
    return;
  }
  linger_ =
      clients_.env_.loop.At(last_progress_ + kLingerMax, [this] { Close(); });
}

void Client::Flush() {
  flush_wanted_ = false;
  if (connection_ == nullptr) {
    out_.clear();
    return;
  }
  if (!out_.empty()) {
    if (connection_->unsent_bytes() == 0) {
      last_progress_ = clients_.env_.loop.ReadClock().mono;
      progress_bytes_ = out_.size();
    }
    clients_.metrics_.output_bytes += out_.size();
    connection_->Write(Buffer::Copy(out_));
    out_.clear();
    if (out_.capacity() > kOutputSoftBytes) out_.shrink_to_fit();
  }
  if (connection_->unsent_bytes() >
      clients_.config_.limits.output_buffer_bytes) {
    ++clients_.metrics_.connections.closed_output;
    Close();
    return;
  }
  // What is due is answered first.
  if ((closing_ || ended_) && protocol_->pending() == 0) {
    closing_ = true;
    if (!std::exchange(end_sent_, true)) connection_->End();
  }
}

void Client::Close() {
  if (connection_ == nullptr) return;
  linger_.Cancel();
  connection_.reset();
  --clients_.open_;
  out_.clear();
  protocol_->OnClosed();
  clients_.Schedule(*this);  // To be destroyed once nothing is pending.
}

void Client::Sweep(MonoTime now) {
  if (connection_ == nullptr) return;
  const TimeoutsConfig& timeouts = clients_.config_.timeouts;
  const size_t unsent = connection_->unsent_bytes();
  if (unsent > 0) {
    if (unsent != progress_bytes_) {
      progress_bytes_ = unsent;
      last_progress_ = now;
    } else if (now - last_progress_ > timeouts.stall) {
      ++clients_.metrics_.connections.closed_stalled;
      Close();
    }
    return;
  }
  if (closing_ || protocol_->pending() > 0) return;
  if (protocol_->partial_bytes() > 0 && !reads_paused_ &&
      now - last_input_ > timeouts.stall) {
    ++clients_.metrics_.connections.closed_stalled;
    Close();
    return;
  }
  if (timeouts.idle > Duration() && now - last_input_ > timeouts.idle) {
    ++clients_.metrics_.connections.closed_idle;
    Close();
  }
}

Clients::Clients(env::Env& env, const Config& config, Metrics& metrics)
    : env_(env), config_(config), metrics_(metrics) {}

Clients::~Clients() = default;

void Clients::Accept(std::unique_ptr<env::Connection> connection,
                     MakeProtocol& make, std::string_view refusal) {
  if (stopped_) return;
  ++metrics_.connections.accepted;
  const uint64_t id = next_id_++;
  auto client = std::make_unique<Client>(*this, id, std::move(connection));
  Client& taken = *client;
  clients_.emplace(id, std::move(client));
  ++open_;
  taken.connection_->SetObserver(&taken);
  taken.protocol_ = make(taken);
  if (open_ > config_.limits.connections) {
    ++metrics_.connections.rejected;
    taken.out() += refusal;
    taken.CloseAfterFlush();
  }
  ArmSweep();
}

std::vector<Client*> Clients::All() const {
  std::vector<Client*> all;
  for (const auto& [id, client] : clients_) {
    if (client->connection_ != nullptr) all.push_back(client.get());
  }
  return all;
}

Client* Clients::Find(uint64_t id) const {
  const auto found = clients_.find(id);
  return found == clients_.end() || found->second->connection_ == nullptr
             ? nullptr
             : found->second.get();
}

void Clients::Kill(Client& client) { client.CloseAfterFlush(); }

bool Clients::idle() const {
  return std::all_of(clients_.begin(), clients_.end(), [](const auto& entry) {
    const Client& client = *entry.second;
    return client.protocol_->pending() == 0 &&
           (client.connection_ == nullptr || client.unsent_bytes() == 0);
  });
}

void Clients::StopReading() {
  for (const auto& [id, client] : clients_) client->PauseReads();
  stopped_ = true;
}

void Clients::Schedule(Client& client) {
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
    Client& client = *found->second;
    if (client.connection_ == nullptr) {
      client.flush_wanted_ = false;
      client.resume_wanted_ = false;
      if (client.protocol_->pending() == 0) clients_.erase(found);
      continue;
    }
    if (client.resume_wanted_) {
      client.resume_wanted_ = false;
      if (!client.closing_ && !stopped_) client.protocol_->Resume();
    }
    if (client.flush_wanted_) client.Flush();
  }
}

void Clients::ArmSweep() {
  if (sweep_armed_ || clients_.empty()) return;
  sweep_armed_ = true;
  const TimeoutsConfig& timeouts = config_.timeouts;
  Duration interval = timeouts.stall / 4;
  if (timeouts.idle > Duration()) {
    interval = std::min(interval, timeouts.idle / 4);
  }
  interval = std::max(interval, Milliseconds(10));
  sweep_ = env_.loop.At(env_.loop.ReadClock().mono + interval, [this] {
    sweep_armed_ = false;
    const MonoTime now = env_.loop.ReadClock().mono;
    for (const auto& [id, client] : clients_) client->Sweep(now);
    ArmSweep();
  });
}

}  // namespace quorate::node
