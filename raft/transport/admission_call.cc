#include "raft/transport/admission_call.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "env/little_endian.h"
#include "raft/transport/handshake.h"

namespace quorate::raft {

AdmissionCall::AdmissionCall(env::Loop& loop, env::Streams& streams,
                             const env::TransportIdentity& self,
                             const std::string& address, Buffer request,
                             Duration limit,
                             env::Transport::AdmissionAnswered done)
    : self_(self),
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

void AdmissionCall::OnConnected(
    absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
  if (!connection.ok()) {
    return Fail(std::string(connection.status().message()));
  }
  connection_ = *std::move(connection);
  connection_->SetObserver(this);
  std::string out = EncodeHello({.from = self_});
  AppendFixed(&out, static_cast<uint32_t>(request_.size()));
  connection_->Write(Buffer::Copy(out));
  connection_->Write(request_);
}

void AdmissionCall::OnBytes(std::string_view bytes) {
  received_.append(bytes);
  if (!AcceptsHello()) return;
  const std::string_view frame =
      std::string_view(received_).substr(kHelloReplyBytes);
  if (frame.size() < kFrameHeaderBytes) return;
  const size_t size = LoadFixed<uint32_t>(frame, 0);
  if (size > env::kAdmissionAnswerBytesMax ||
      frame.size() > kFrameHeaderBytes + size) {
    return Fail("it sent what no node sends");
  }
  if (frame.size() < kFrameHeaderBytes + size) return;
  Finish(Buffer::Copy(frame.substr(kFrameHeaderBytes)));
}

bool AdmissionCall::AcceptsHello() {
  const size_t size = HelloReplySize(received_);
  if (received_.size() < size) return false;
  const absl::StatusOr<HelloReply> reply =
      DecodeHelloReply(std::string_view(received_).substr(0, size));
  if (!reply.ok()) {
    Fail(std::string(reply.status().message()));
    return false;
  }
  if (reply->refusal == HandshakeRefusal::kNone) return true;
  Finish(absl::FailedPreconditionError(
      absl::StrCat("the node at ", address_, " refuses this program: ",
                   DescribeRefusal(self_, {.from = self_}, *reply))));
  return false;
}

void AdmissionCall::Fail(const std::string& why) {
  Finish(absl::UnavailableError(absl::StrCat(address_, ": ", why)));
}

void AdmissionCall::Finish(absl::StatusOr<Buffer> result) {
  timer_.Cancel();
  dialling_.Cancel();
  connection_.reset();
  env::Transport::AdmissionAnswered done = std::move(done_);
  done(std::move(result));
}

}  // namespace quorate::raft
