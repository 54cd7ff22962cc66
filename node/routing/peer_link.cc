#include "node/routing/peer_link.h"

#include <utility>

#include "env/parse_integer.h"
#include "node/base/node_identity.h"
#include "node/base/text.h"
#include "node/protocol/resp_writer.h"

namespace quorate::node {
namespace {

// Replies carry the results of a whole batch.
constexpr RespParser::Limits kReplyLimits = {
    .arguments_max = 8,
    .bulk_bytes_max = size_t{1} << 30,
    .request_bytes_max = (size_t{1} << 30) + 4096,
    .line_bytes_max = 4096,
};

// An error reply is one line, which the parser reads as a command.
bool IsTooManyClients(absl::Span<const std::string_view> words) {
  std::string line;
  for (const std::string_view word : words) Append(&line, word, ' ');
  return line == Concat("-", kTooManyClients, " ");
}

// Returns "1 2 3".
std::string FormatGroups(const std::vector<GroupId>& groups) {
  std::string text;
  for (const GroupId group : groups) {
    Append(&text, text.empty() ? "" : " ", group);
  }
  return text;
}

bool ParseGroups(std::string_view text, std::vector<GroupId>* groups) {
  while (!text.empty()) {
    const size_t end = text.find(' ');
    uint32_t number = 0;
    if (!ParseInteger(text.substr(0, end), &number)) return false;
    groups->push_back(GroupId(number));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return true;
}

PeerResult NotExecuted(const absl::Status& why) {
  PeerResult result;
  result.result.outcome = Outcome::kNotExecuted;
  result.result.status = why;
  return result;
}

}  // namespace

void WritePeerResult(const PeerResult& result, std::string* out) {
  RespWriter reply(out, 2);
  const raft::ProposeResult& r = result.result;
  switch (r.outcome) {
    case Outcome::kDone:
      if (result.report.start != 0) {
        reply.Array(6);
        reply.Bulk("STATUS");
        reply.Bulk(Concat(result.report.start));
        reply.Bulk(Concat(result.report.changes));
        reply.Bulk(result.report.rows);
        reply.Bulk(FormatIdentity(result.report.identity));
        reply.Bulk(FormatGroups(result.report.refused));
        return;
      }
      if (result.channel.channel != 0) {
        reply.Array(3);
        reply.Bulk("CHANNEL");
        reply.Bulk(Concat(result.channel.term));
        reply.Bulk(Concat(result.channel.channel));
        return;
      }
      reply.Array(5);
      reply.Bulk("DONE");
      reply.Bulk(Concat(r.position.term));
      reply.Bulk(Concat(r.position.index));
      reply.Bulk(Concat(r.log_time.ns()));
      reply.Bulk(r.result.view());
      return;
    case Outcome::kNotExecuted:
      reply.Array(4);
      reply.Bulk("NOT");
      reply.Bulk(Concat(result.leader));
      reply.Bulk(Concat(result.term));
      reply.Bulk(Message(r.status));
      return;
    case Outcome::kUnknown:
      reply.Array(2);
      reply.Bulk("UNKNOWN");
      reply.Bulk(Message(r.status));
      return;
  }
}

bool ReadPeerResult(absl::Span<const std::string_view> fields,
                    PeerResult* result) {
  raft::ProposeResult& r = result->result;
  if (fields.size() == 5 && fields[0] == "DONE") {
    int64_t term;
    int64_t index;
    int64_t log_time;
    if (!ParseInteger(fields[1], &term) || !ParseInteger(fields[2], &index) ||
        !ParseInteger(fields[3], &log_time)) {
      return false;
    }
    r.outcome = Outcome::kDone;
    r.position = {raft::Term(static_cast<uint64_t>(term)),
                  raft::Index(static_cast<uint64_t>(index))};
    r.log_time = WallTime(log_time);
    r.result = Buffer::Copy(fields[4]);
    return true;
  }
  if (fields.size() == 3 && fields[0] == "CHANNEL") {
    uint64_t term;
    if (!ParseInteger(fields[1], &term) ||
        !ParseInteger(fields[2], &result->channel.channel)) {
      return false;
    }
    r.outcome = Outcome::kDone;
    result->channel.term = raft::Term(term);
    return true;
  }
  if (fields.size() == 6 && fields[0] == "STATUS") {
    NodeReport& report = result->report;
    if (!ParseInteger(fields[1], &report.start) ||
        !ParseInteger(fields[2], &report.changes) ||
        !ParseIdentity(fields[4], &report.identity) ||
        !ParseGroups(fields[5], &report.refused)) {
      return false;
    }
    r.outcome = Outcome::kDone;
    report.rows = fields[3];
    return true;
  }
  if (fields.size() == 4 && fields[0] == "NOT") {
    uint32_t leader;
    uint64_t term;
    if (!ParseInteger(fields[1], &leader) || !ParseInteger(fields[2], &term)) {
      return false;
    }
    r.outcome = Outcome::kNotExecuted;
    r.status = absl::UnavailableError(std::string(fields[3]));
    result->leader = NodeId(leader);
    result->term = raft::Term(term);
    return true;
  }
  if (fields.size() == 2 && fields[0] == "UNKNOWN") {
    r.outcome = Outcome::kUnknown;
    r.status = absl::UnavailableError(std::string(fields[1]));
    return true;
  }
  return false;
}

PeerLink::PeerLink(env::Env& env, std::string address, Duration timeout)
    : env_(env),
      address_(std::move(address)),
      timeout_(timeout),
      alarm_(env.loop, [this] { OnAlarm(); }),
      parser_(kReplyLimits) {}

void PeerLink::Apply(GroupId group, const ForwardStamp& stamp, Buffer payload,
                     Done done) {
  std::string header = "*6\r\n";
  RespWriter writer(&header, 2);
  writer.Bulk("QUORATE.APPLY");
  writer.Bulk(Concat(group));
  writer.Bulk(Concat(stamp.term));
  writer.Bulk(Concat(stamp.channel));
  writer.Bulk(Concat(stamp.number));
  Append(&header, "$", payload.size(), "\r\n");
  Send(header, std::move(payload), std::move(done));
}

void PeerLink::Read(GroupId group, Buffer payload, Done done) {
  std::string header = "*3\r\n";
  RespWriter writer(&header, 2);
  writer.Bulk("QUORATE.READ");
  writer.Bulk(Concat(group));
  Append(&header, "$", payload.size(), "\r\n");
  Send(header, std::move(payload), std::move(done));
}

void PeerLink::Open(GroupId group, const ForwardStamp& replaces, Done done) {
  std::string header = "*4\r\n";
  RespWriter writer(&header, 2);
  writer.Bulk("QUORATE.CHANNEL");
  writer.Bulk(Concat(group));
  writer.Bulk(Concat(replaces.term));
  const std::string channel = Concat(replaces.channel);
  Append(&header, "$", channel.size(), "\r\n");
  Send(header, Buffer::Copy(channel), std::move(done));
}

void PeerLink::AskStatus(const env::TransportIdentity& self,
                         const NodeReport& known, Done done) {
  std::string header = "*4\r\n";
  RespWriter writer(&header, 2);
  writer.Bulk("QUORATE.STATUS");
  writer.Bulk(Concat(known.start));
  writer.Bulk(Concat(known.changes));
  const std::string identity = FormatIdentity(self);
  Append(&header, "$", identity.size(), "\r\n");
  Send(header, Buffer::Copy(identity), std::move(done));
}

void PeerLink::Send(const std::string& header, Buffer payload, Done done) {
  requests_.push_back({Buffer::Copy(header), std::move(payload),
                       std::move(done), env_.loop.ReadClock().mono + timeout_});
  if (connection_ != nullptr) {
    SendWaiting();
  } else {
    Connect();
  }
  SetAlarm();
}

void PeerLink::Connect() {
  if (connect_under_way_) return;
  connect_under_way_ = true;
  connecting_ = env_.streams.Connect(
      address_,
      [this](absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
        connect_under_way_ = false;
        if (!connection.ok()) {
          Fail(connection.status());
          return;
        }
        connection_ = std::move(*connection);
        connection_->SetObserver(this);
        SendWaiting();
      });
}

void PeerLink::SendWaiting() {
  // Sent requests precede all others.
  for (; sent_ < requests_.size(); ++sent_) {
    Request& request = requests_[sent_];
    connection_->Write(std::move(request.header));
    connection_->Write(std::move(request.payload));
    connection_->Write(Buffer::Copy("\r\n"));
  }
}

void PeerLink::OnBytes(std::string_view bytes) {
  if (env_.buggify.Fire("node.peer_link_lost")) {
    return Fail(absl::UnavailableError("the link was given up"));
  }
  parser_->Feed(bytes);
  while (connection_ != nullptr) {
    const RespParser::Result next = parser_->Next();
    if (next == RespParser::Result::kNeedMore) break;
    if (next == RespParser::Result::kError || sent_ == 0) {
      Fail(absl::InternalError("the leader's reply is malformed"));
      return;
    }
    if (!std::exchange(any_reply_, true) &&
        IsTooManyClients(parser_->arguments())) {
      sent_ = 0;  // The other node read no request.
      Fail(absl::ResourceExhaustedError(
               "the leader has reached its limit of connections"),
           /*answered=*/true);
      return;
    }
    TakeReply();
  }
  if (connection_ != nullptr) parser_->Detach();
}

void PeerLink::TakeReply() {
  PeerResult result;
  if (!ReadPeerResult(parser_->arguments(), &result)) {
    // A node that stops gives an error reply in one line. It does not say
    // whether the batch was executed.
    result.result.outcome = Outcome::kUnknown;
    result.result.status = absl::UnavailableError(
        "the leader sent an error instead of results; it may be stopping");
  }
  result.answered = true;
  Done done = std::move(requests_.front().done);
  requests_.pop_front();
  --sent_;
  done(std::move(result));
}

void PeerLink::OnEnd() {
  Fail(absl::UnavailableError("the leader closed the connection"));
}

void PeerLink::OnClosed(absl::Status reason) { Fail(reason); }

void PeerLink::Fail(const absl::Status& why, bool answered) {
  connection_.reset();
  any_reply_ = false;
  connecting_.Cancel();
  connect_under_way_ = false;
  parser_.emplace(kReplyLimits);
  std::deque<Request> failed;
  failed.swap(requests_);
  const size_t sent = std::exchange(sent_, 0);
  for (size_t i = 0; i < failed.size(); ++i) {
    PeerResult result = NotExecuted(why);
    result.answered = answered;
    if (i < sent) result.result.outcome = Outcome::kUnknown;
    failed[i].done(std::move(result));
  }
}

void PeerLink::SetAlarm() {
  if (!requests_.empty()) alarm_.SetFor(requests_.front().deadline);
}

void PeerLink::OnAlarm() {
  if (!requests_.empty() &&
      requests_.front().deadline <= env_.loop.ReadClock().mono) {
    Fail(absl::DeadlineExceededError("the leader did not answer in time"));
  }
  SetAlarm();
}

PeerLink& PeerLinks::To(const std::string& address) {
  std::unique_ptr<PeerLink>& link = links_[address];
  if (link == nullptr) {
    link = std::make_unique<PeerLink>(env_, address, timeout_);
  }
  return *link;
}

}  // namespace quorate::node
