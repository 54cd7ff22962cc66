#include "node/peers/status_link.h"

#include <utility>

#include "env/parse_integer.h"
#include "node/base/node_identity.h"
#include "node/base/text.h"
#include "node/protocol/resp_writer.h"

namespace quorate::node {
namespace {

constexpr RespParser::Limits kReplyLimits = {
    .arguments_max = 8,
    .bulk_bytes_max = 1 << 20,
    .request_bytes_max = (1 << 20) + 4096,
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

}  // namespace

void WriteReport(const NodeReport& report, std::string* out) {
  RespWriter reply(out, 2);
  reply.Array(6);
  reply.Bulk("STATUS");
  reply.Bulk(Concat(report.start));
  reply.Bulk(Concat(report.changes));
  reply.Bulk(report.rows);
  reply.Bulk(FormatIdentity(report.identity));
  reply.Bulk(FormatGroups(report.refused));
}

bool ReadReport(absl::Span<const std::string_view> fields, NodeReport* report) {
  if (fields.size() != 6 || fields[0] != "STATUS" ||
      !ParseInteger(fields[1], &report->start) ||
      !ParseInteger(fields[2], &report->changes) ||
      !ParseIdentity(fields[4], &report->identity) ||
      !ParseGroups(fields[5], &report->refused)) {
    return false;
  }
  report->rows = fields[3];
  return true;
}

StatusLink::StatusLink(env::Env& env, std::string address, Duration timeout)
    : env_(env),
      address_(std::move(address)),
      timeout_(timeout),
      alarm_(env.loop, [this] { OnAlarm(); }),
      parser_(kReplyLimits) {}

void StatusLink::AskStatus(const env::TransportIdentity& self,
                           const NodeReport& known, Done done) {
  std::string bytes;
  RespWriter writer(&bytes, 2);
  writer.Array(4);
  writer.Bulk("QUORATE.STATUS");
  writer.Bulk(Concat(known.start));
  writer.Bulk(Concat(known.changes));
  writer.Bulk(FormatIdentity(self));
  requests_.push_back({Buffer::Copy(bytes), std::move(done),
                       env_.loop.ReadClock().mono + timeout_});
  if (connection_ != nullptr) {
    SendWaiting();
  } else {
    Connect();
  }
  SetAlarm();
}

void StatusLink::Connect() {
  if (connect_under_way_) return;
  connect_under_way_ = true;
  connecting_ = env_.streams.Connect(
      address_,
      [this](absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
        connect_under_way_ = false;
        if (!connection.ok()) {
          Fail();
          return;
        }
        connection_ = std::move(*connection);
        connection_->SetObserver(this);
        SendWaiting();
      });
}

void StatusLink::SendWaiting() {
  // Sent requests precede all others.
  for (; sent_ < requests_.size(); ++sent_) {
    connection_->Write(std::move(requests_[sent_].bytes));
  }
}

void StatusLink::OnBytes(std::string_view bytes) {
  if (env_.buggify.Fire("node.status_link_lost")) return Fail();
  parser_->Feed(bytes);
  while (connection_ != nullptr) {
    const RespParser::Result next = parser_->Next();
    if (next == RespParser::Result::kNeedMore) break;
    if (next == RespParser::Result::kError || sent_ == 0) return Fail();
    if (!std::exchange(any_reply_, true) &&
        IsTooManyClients(parser_->arguments())) {
      return Fail(/*answered=*/true);
    }
    TakeReply();
  }
  if (connection_ != nullptr) parser_->Detach();
}

void StatusLink::TakeReply() {
  StatusAnswer answer;
  answer.answered = true;
  answer.strange = !ReadReport(parser_->arguments(), &answer.report);
  Done done = std::move(requests_.front().done);
  requests_.pop_front();
  --sent_;
  done(std::move(answer));
}

void StatusLink::OnEnd() { Fail(); }

void StatusLink::OnClosed(absl::Status) { Fail(); }

void StatusLink::Fail(bool answered) {
  connection_.reset();
  any_reply_ = false;
  connecting_.Cancel();
  connect_under_way_ = false;
  parser_.emplace(kReplyLimits);
  std::deque<Request> failed;
  failed.swap(requests_);
  sent_ = 0;
  for (Request& request : failed) request.done({.answered = answered});
}

void StatusLink::SetAlarm() {
  if (!requests_.empty()) alarm_.SetFor(requests_.front().deadline);
}

void StatusLink::OnAlarm() {
  if (!requests_.empty() &&
      requests_.front().deadline <= env_.loop.ReadClock().mono) {
    Fail();
  }
  SetAlarm();
}

StatusLink& StatusLinks::To(const std::string& address) {
  std::unique_ptr<StatusLink>& link = links_[address];
  if (link == nullptr) {
    link = std::make_unique<StatusLink>(env_, address, timeout_);
  }
  return *link;
}

}  // namespace quorate::node
