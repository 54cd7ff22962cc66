#include "bench/etcd_load.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/etcd.pb.h"

namespace quorate::bench {
namespace {

constexpr int64_t kReplyTimeoutNs = 30'000'000'000;

template <typename Request, typename Response>
class EtcdLoad {
 public:
  EtcdLoad(const EtcdChannels& channels, const Workload& workload,
           std::string method)
      : workload_(workload), method_(std::move(method)), corpus_(workload) {
    for (const auto& channel : channels) stubs_.emplace_back(channel);
  }

  absl::StatusOr<Measurement> Run();

 private:
  using Stub = grpc::TemplatedGenericStub<Request, Response>;

  // One outstanding request. When its reply arrives, the lane sends the next.
  struct Lane {
    Stub* stub;
    uint64_t key = 0;
    int64_t sent_ns = 0;
    std::unique_ptr<grpc::ClientContext> context;
    std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> reader;
    Request request;
    Response response;
    grpc::Status status;
  };

  bool Send(Lane& lane);
  void OnReply(Lane& lane, int64_t now_ns);
  bool IsGood(const Lane& lane) const;

  const Workload workload_;
  const std::string method_;
  Corpus corpus_;
  std::deque<Stub> stubs_;
  std::deque<Lane> lanes_;
  grpc::CompletionQueue queue_;
  size_t waiting_ = 0;
  bool closing_ = false;
  int64_t begin_ns_ = 0;
  int64_t end_ns_ = 0;
  Measurement measurement_;
};

void FillIn(const Corpus& corpus, uint64_t key,
            etcdserverpb::PutRequest* request) {
  request->mutable_key()->resize(kKeyBytes);
  corpus.WriteKey(key, request->mutable_key()->data());
  request->mutable_value()->resize(corpus.value_bytes());
  corpus.WriteValue(key, request->mutable_value()->data());
}

void FillIn(const Corpus& corpus, uint64_t key,
            etcdserverpb::RangeRequest* request) {
  request->mutable_key()->resize(kKeyBytes);
  corpus.WriteKey(key, request->mutable_key()->data());
}

bool IsAnswer(const Corpus&, uint64_t, const etcdserverpb::PutResponse&) {
  return true;
}

bool IsAnswer(const Corpus& corpus, uint64_t key,
              const etcdserverpb::RangeResponse& response) {
  return response.kvs_size() == 1 &&
         corpus.IsValueOf(key, response.kvs(0).value());
}

template <typename Request, typename Response>
bool EtcdLoad<Request, Response>::Send(Lane& lane) {
  if (closing_ || !corpus_.Next(&lane.key)) return false;
  FillIn(corpus_, lane.key, &lane.request);
  lane.response.Clear();
  lane.context = std::make_unique<grpc::ClientContext>();
  lane.sent_ns = MonotonicNanos();
  lane.reader = lane.stub->PrepareUnaryCall(lane.context.get(), method_,
                                            lane.request, &queue_);
  lane.reader->StartCall();
  lane.reader->Finish(&lane.response, &lane.status, &lane);
  ++waiting_;
  return true;
}

template <typename Request, typename Response>
bool EtcdLoad<Request, Response>::IsGood(const Lane& lane) const {
  return lane.status.ok() && IsAnswer(corpus_, lane.key, lane.response);
}

template <typename Request, typename Response>
void EtcdLoad<Request, Response>::OnReply(Lane& lane, int64_t now_ns) {
  --waiting_;
  if (IsGood(lane)) {
    ++measurement_.replies;
    if (now_ns >= begin_ns_ && now_ns < end_ns_) {
      measurement_.latency_ns.Add(static_cast<uint64_t>(now_ns - lane.sent_ns));
    }
    return;
  }
  ++measurement_.errors;
  if (measurement_.first_error.empty()) {
    measurement_.first_error = lane.status.ok()
                                   ? "wrong value"
                                   : absl::StrCat(lane.status.error_code(), " ",
                                                  lane.status.error_message());
  }
}

template <typename Request, typename Response>
absl::StatusOr<Measurement> EtcdLoad<Request, Response>::Run() {
  const int64_t start_ns = MonotonicNanos();
  begin_ns_ = start_ns + workload_.warmup_ns;
  end_ns_ = workload_.fill ? INT64_MAX : begin_ns_ + workload_.measure_ns;
  const int outstanding = workload_.connections * workload_.pipeline;
  for (int i = 0; i < outstanding; ++i) {
    lanes_.emplace_back().stub = &stubs_[i % stubs_.size()];
    Send(lanes_.back());
  }
  int64_t last_reply_ns = MonotonicNanos();
  absl::Status status;
  while (waiting_ > 0) {
    void* tag = nullptr;
    bool ok = false;
    const auto deadline = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                       gpr_time_from_millis(100, GPR_TIMESPAN));
    const auto next = queue_.AsyncNext(&tag, &ok, deadline);
    const int64_t now_ns = MonotonicNanos();
    if (now_ns >= end_ns_ || Interrupted()) closing_ = true;
    if (next == grpc::CompletionQueue::GOT_EVENT) {
      last_reply_ns = now_ns;
      Lane& lane = *static_cast<Lane*>(tag);
      OnReply(lane, now_ns);
      Send(lane);
    } else if (status.ok() && now_ns - last_reply_ns > kReplyTimeoutNs) {
      status = absl::DeadlineExceededError("no reply for 30 s");
      closing_ = true;
      for (Lane& lane : lanes_) lane.context->TryCancel();
    }
  }
  queue_.Shutdown();
  void* tag;
  bool ok;
  while (queue_.Next(&tag, &ok)) {
  }
  if (!status.ok()) return status;
  measurement_.elapsed_ns =
      workload_.fill ? MonotonicNanos() - begin_ns_ : workload_.measure_ns;
  return std::move(measurement_);
}

}  // namespace

EtcdChannels OpenEtcdChannels(uint16_t port, int count) {
  EtcdChannels channels;
  for (int i = 0; i < count; ++i) {
    grpc::ChannelArguments arguments;
    // Without this argument all channels share one connection.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channels.push_back(grpc::CreateCustomChannel(
        absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials(),
        arguments));
  }
  return channels;
}

absl::StatusOr<Measurement> RunEtcdLoad(const EtcdChannels& channels,
                                        const Workload& workload) {
  if (workload.op == Workload::Op::kSet) {
    return EtcdLoad<etcdserverpb::PutRequest, etcdserverpb::PutResponse>(
               channels, workload, "/etcdserverpb.KV/Put")
        .Run();
  }
  return EtcdLoad<etcdserverpb::RangeRequest, etcdserverpb::RangeResponse>(
             channels, workload, "/etcdserverpb.KV/Range")
      .Run();
}

}  // namespace quorate::bench
