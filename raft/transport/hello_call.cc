#include "raft/transport/hello_call.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "env/little_endian.h"

namespace quorate::raft {

HelloCall::HelloCall(env::Loop& loop, env::Streams& streams, const Hello& hello,
                     const std::string& address, Buffer request, Duration limit,
                     Done done)
    : hello_(hello),
      address_(address),
      request_(std::move(request)),
      done_(std::move(done)) {
  timer_ = loop.At(loop.ReadClock().mono + limit,
                   [this] { Fail("it did not answer in time"); });
  dialling_ = streams.Connect(
      address_,
      [this](absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
        OnConnected(std::move(connection));
      });
}

void HelloCall::OnConnected(
    absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
  if (!connection.ok()) {
    return Fail(std::string(connection.status().message()));
  }
  connection_ = *std::move(connection);
  connection_->SetObserver(this);
  std::string out = EncodeHello(hello_);
  if (!request_.empty()) {
    AppendFixed(&out, static_cast<uint32_t>(request_.size()));
  }
  connection_->Write(Buffer::Copy(out));
  if (!request_.empty()) connection_->Write(request_);
}

void HelloCall::OnBytes(std::string_view bytes) {
  received_.append(bytes);
  if (reply_bytes_ == 0 && !ReadReply()) return;
  const std::string_view frame =
      std::string_view(received_).substr(reply_bytes_);
  if (frame.size() < kFrameHeaderBytes) return;
  const size_t size = LoadFixed<uint32_t>(frame, 0);
  if (size > env::kAdmissionAnswerBytesMax ||
      frame.size() > kFrameHeaderBytes + size) {
    return Fail("it sent what no node sends");
  }
  if (frame.size() < kFrameHeaderBytes + size) return;
  answer_.frame = Buffer::Copy(frame.substr(kFrameHeaderBytes));
  Finish(std::move(answer_));
}

bool HelloCall::ReadReply() {
  const size_t size = HelloReplySize(received_);
  if (received_.size() < size) return false;
  absl::StatusOr<HelloReply> reply =
      DecodeHelloReply(std::string_view(received_).substr(0, size));
  if (!reply.ok()) {
    Fail(std::string(reply.status().message()));
    return false;
  }
  // A node that asks for admission knows the cluster from its answer. A copy of
  // this node's directory may run with this node's certificate.
  const env::StreamIdentity identity = connection_->identity();
  if (!AsksForAdmission(hello_) &&
      !MaySpeakAs(identity, hello_.from.cluster, hello_.to) &&
      !MaySpeakAs(identity, hello_.from.cluster, hello_.from.node)) {
    Fail("its certificate does not name it");
    return false;
  }
  reply_bytes_ = size;
  answer_.reply = *std::move(reply);
  if (!request_.empty() && answer_.reply.refusal == HandshakeRefusal::kNone) {
    return true;
  }
  Finish(std::move(answer_));
  return false;
}

void HelloCall::Fail(const std::string& why) {
  Finish(absl::UnavailableError(absl::StrCat(address_, ": ", why)));
}

void HelloCall::Finish(absl::StatusOr<Answer> result) {
  timer_.Cancel();
  dialling_.Cancel();
  connection_.reset();
  Done done = std::move(done_);
  done(std::move(result));
}

absl::StatusOr<Buffer> AdmissionIn(const Hello& hello,
                                   const std::string& address,
                                   absl::StatusOr<HelloCall::Answer> answer) {
  if (!answer.ok()) return answer.status();
  if (answer->reply.refusal == HandshakeRefusal::kNone) {
    return std::move(answer->frame);
  }
  return absl::FailedPreconditionError(
      absl::StrCat("the node at ", address, " refuses this program: ",
                   DescribeRefusal(hello.from, hello, answer->reply)));
}

absl::Status MayRun(const Hello& hello, const std::string& address,
                    const absl::StatusOr<HelloCall::Answer>& answer) {
  if (!answer.ok() ||
      (answer->reply.refusal != HandshakeRefusal::kOwnStore &&
       answer->reply.refusal != HandshakeRefusal::kOtherFounding)) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("at ", address, " another program answers: ",
                   DescribeRefusal(hello.from, hello, answer->reply)));
}

}  // namespace quorate::raft
