// node/admin/admin_session.h: one connection to the admin address: HTTP/1.1
// with JSON (docs/reference/admin.md).
//
// A state machine over bytes. One request at a time: the next one is read once
// the one before has its reply.
#ifndef QUORATE_NODE_ADMIN_ADMIN_SESSION_H_
#define QUORATE_NODE_ADMIN_ADMIN_SESSION_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "node/admin/admin_api.h"
#include "node/connections/clients.h"
#include "node/protocol/http_parser.h"

namespace quorate::node {

class AdminSession final : public Protocol {
 public:
  // Makes the page of a path; nullopt: there is no such page.
  using MakePage = std::function<std::optional<std::string>(std::string_view)>;

  // Both outlive the object. `address` is that to which the client connected.
  // `debug` makes the pages whose path begins with "/debug".
  AdminSession(AdminApi& api, MakePage debug, ClientConnection& client,
               std::string address);

  void OnBytes(std::string_view bytes) override;
  void OnEnd() override;
  void Resume() override { Process(); }
  size_t pending() const override { return waiting_ ? 1 : 0; }
  size_t partial_bytes() const override { return parser_.partial_bytes(); }
  size_t input_bytes() const override { return parser_.partial_bytes(); }
  void DropInput() override { parser_.Drop(); }
  void Refuse(std::string_view why) override;
  bool stopped() const override { return waiting_; }
  bool awaits_answer() const override { return waiting_; }
  void OnClosed() override;

 private:
  void Process();
  void Handle(const HttpRequest& request);
  void Reply(bool keep_alive, const AdminReply& reply);

  AdminApi& api_;
  const MakePage debug_;
  ClientConnection& client_;
  const std::string address_;
  HttpParser parser_;
  bool processing_ = false;
  bool waiting_ = false;  // A request has no reply.
  bool last_ = false;     // No further request is read.
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ADMIN_ADMIN_SESSION_H_
