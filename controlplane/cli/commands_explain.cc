// guideway explain: which way the packets of a flow go, and why.
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "controlplane/cli/cli.h"
#include "controlplane/cli/state.h"
#include "controlplane/cli/table.h"
#include "lib/base/status.h"
#include "lib/config/formats.h"
#include "lib/config/schema.h"

namespace guideway::cli {

namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

struct ExplainOptions {
  std::string protocol;
  std::string source;
  std::string destination;
};

struct Endpoint {
  std::string address;
  uint32_t port = 0;
};

// "192.0.2.1:80" or "[2001:db8::1]:80".
absl::StatusOr<Endpoint> ParseEndpoint(const std::string& text) {
  const bool brackets = text.starts_with('[');
  const size_t colon = text.rfind(':');
  Endpoint endpoint;
  bool good =
      colon != std::string::npos && absl::SimpleAtoi(text.substr(colon + 1), &endpoint.port);
  if (good && brackets) {
    good = colon > 1 && text[colon - 1] == ']';
    if (good) endpoint.address = text.substr(1, colon - 2);
  } else if (good) {
    endpoint.address = text.substr(0, colon);
    good = endpoint.address.find(':') == std::string::npos;
  }
  if (good && endpoint.port <= 65535) return endpoint;
  return absl::InvalidArgumentError(absl::StrCat(
      Quote(text), " is not an address with a port, such as 192.0.2.1:80 or [2001:db8::1]:80"));
}

std::string OwnerText(const v1::FlowOwner& owner) {
  const v1::BackendState& backend = owner.backend();
  return absl::StrCat(owner.pool(), "/", backend.backend().name(), " (",
                      backend.backend().address(), ")",
                      owner.lingers() ? ", removed: finishes its flows" : "");
}

std::string HealthLine(const v1::FlowOwner& owner) {
  const v1::BackendState& backend = owner.backend();
  if (owner.lingers()) return "not probed: it is no longer in the configuration";
  return absl::StrCat(EnumName(backend.backend().state()), ", ", HealthText(backend.health()),
                      backend.health() == v1::HEALTH_UNPROBED
                          ? ""
                          : absl::StrCat(" for ", AgeText(backend.health_age_ms())),
                      backend.health_reason().empty() ? "" : ": ", backend.health_reason());
}

std::string EntryText(const v1::FlowEntryState& entry) {
  return absl::StrCat("worker ", entry.worker(), ": ",
                      entry.has_owner() ? OwnerText(entry.owner()) : "a backend that is gone", ", ",
                      entry.state(), ", idle ", AgeText(entry.idle_ms()), ", forgotten in ",
                      AgeText(entry.times_out_in_ms()),
                      entry.holds() ? "" : "; does not hold: the slot decides");
}

std::string Bracketed(const std::string& address, uint32_t port) {
  if (port == 0) return address;
  const bool ipv6 = address.find(':') != std::string::npos;
  return absl::StrCat(ipv6 ? "[" : "", address, ipv6 ? "]:" : ":", port);
}

std::string OuterText(const v1::FlowDelivery& delivery) {
  if (delivery.encapsulation() == v1::L3DSR) {
    return absl::StrCat("none: destination becomes ", delivery.outer_destination(), ", DSCP ",
                        delivery.dscp());
  }
  if (delivery.outer_source().empty()) return "none";
  std::string text =
      absl::StrCat(Bracketed(delivery.outer_source(), delivery.outer_source_port()), " -> ",
                   Bracketed(delivery.outer_destination(), delivery.outer_destination_port()));
  if (delivery.outer_source_port() != 0) absl::StrAppend(&text, " UDP");
  if (delivery.outer_source().find(':') != std::string::npos) {
    absl::StrAppendFormat(&text, ", flow label 0x%05x", delivery.flow_label());
  }
  if (!delivery.second_chance().empty()) {
    absl::StrAppend(&text, ", second chance ", delivery.second_chance());
  }
  return text;
}

void AddVip(const v1::ExplainFlowResponse& flow, Lines* lines) {
  const v1::Vip& vip = flow.vip().vip();
  lines->emplace_back("VIP", absl::StrCat(vip.name(), ", pool ", vip.pool()));
  lines->emplace_back("flow hash", flow.flow_hash());
  lines->emplace_back("slot", absl::StrCat(flow.slot(), " of ", flow.slot_count(), ", scheduler ",
                                           EnumName(flow.scheduler())));
  lines->emplace_back("current owner", flow.has_current() ? OwnerText(flow.current()) : "nobody");
  lines->emplace_back("previous owner",
                      flow.has_previous() ? OwnerText(flow.previous()) : "the same");
  for (const v1::FlowEntryState& entry : flow.entries()) {
    lines->emplace_back("flow entry", EntryText(entry));
  }
  if (flow.entries().empty()) lines->emplace_back("flow entry", "none: not a known flow");
}

void AddOwner(const v1::ExplainFlowResponse& flow, Lines* lines) {
  if (!flow.has_owner()) {
    lines->emplace_back("goes to", "nobody");
    return;
  }
  const v1::FlowDelivery& delivery = flow.delivery();
  lines->emplace_back("goes to", absl::StrCat(OwnerText(flow.owner()), ", by ", flow.decided_by()));
  lines->emplace_back("backend", HealthLine(flow.owner()));
  lines->emplace_back("encapsulation", EnumName(delivery.encapsulation()));
  lines->emplace_back("outer header", OuterText(delivery));
  lines->emplace_back("next hop", delivery.next_hop());
}

std::string Text(const ExplainOptions& options, const v1::ExplainFlowResponse& flow) {
  Lines lines = {
      {"flow", absl::StrCat(options.protocol, " ", options.source, " -> ", options.destination)}};
  if (!flow.has_vip()) {
    lines.emplace_back("VIP", "none takes it: its packets go to the kernel");
    return KeyValues(lines);
  }
  AddVip(flow, &lines);
  AddOwner(flow, &lines);
  const v1::VipState& vip = flow.vip();
  lines.emplace_back("VIP counters",
                     absl::StrCat(vip.traffic().packets(), " packets, ", vip.traffic().bytes(),
                                  " bytes, ", vip.traffic().new_flows(), " new flows, ",
                                  vip.others().drop_total(), " dropped"));
  for (const std::string& note : flow.notes()) lines.emplace_back("note", note);
  return KeyValues(lines);
}

Json OwnerJson(const v1::FlowOwner& owner) {
  return BackendJson(owner.pool(), owner.backend()).Set("lingers", Json::Bool(owner.lingers()));
}

Json FlowJson(const v1::ExplainFlowResponse& flow) {
  Json entries = Json::List();
  for (const v1::FlowEntryState& entry : flow.entries()) {
    Json json = Json::Object();
    json.Set("worker", Json::Number(entry.worker()));
    if (entry.has_owner()) json.Set("owner", OwnerJson(entry.owner()));
    json.Set("state", entry.state())
        .Set("idle_ms", Json::Number(entry.idle_ms()))
        .Set("times_out_in_ms", Json::Number(entry.times_out_in_ms()))
        .Set("holds", Json::Bool(entry.holds()));
    entries.Append(std::move(json));
  }
  Json notes = Json::List();
  for (const std::string& note : flow.notes()) notes.Append(Json::Text(note));
  Json json = Json::Object();
  if (!flow.has_vip()) return json.Set("vip", Json::Null());
  Json vip = Json::Object();
  SetTraffic(flow.vip().traffic(), &vip);
  SetOthers(flow.vip().others(), &vip);
  json.Set("vip", flow.vip().vip().name())
      .Set("pool", flow.vip().vip().pool())
      .Set("scheduler", EnumName(flow.scheduler()))
      .Set("flow_hash", flow.flow_hash())
      .Set("slot", Json::Number(flow.slot()))
      .Set("slot_count", Json::Number(flow.slot_count()))
      .Set("current", flow.has_current() ? OwnerJson(flow.current()) : Json::Null())
      .Set("previous", flow.has_previous() ? OwnerJson(flow.previous()) : Json::Null())
      .Set("entries", std::move(entries))
      .Set("owner", flow.has_owner() ? OwnerJson(flow.owner()) : Json::Null())
      .Set("decided_by", flow.decided_by())
      .Set("delivery", Json::FromMessage(flow.delivery()))
      .Set("vip_counters", std::move(vip))
      .Set("notes", std::move(notes));
  return json;
}

absl::Status Explain(Cli* cli, const ExplainOptions& options) {
  v1::ExplainFlowRequest request;
  request.set_protocol(*ParseEnum<v1::Protocol>(options.protocol));
  GW_ASSIGN_OR_RETURN(const Endpoint source, ParseEndpoint(options.source));
  GW_ASSIGN_OR_RETURN(const Endpoint destination, ParseEndpoint(options.destination));
  request.set_source(source.address);
  request.set_source_port(source.port);
  request.set_destination(destination.address);
  request.set_destination_port(destination.port);
  v1::ExplainFlowResponse flow;
  GW_RETURN_IF_ERROR(cli->client().Call(&v1::Guideway::Stub::ExplainFlow, request, &flow));
  cli->out() << (cli->json() ? FlowJson(flow).ToString() : Text(options, flow));
  return absl::OkStatus();
}

}  // namespace

void AddExplainCommands(Cli* cli) {
  const auto options = std::make_shared<ExplainOptions>();
  CLI::App* explain =
      cli->AddCommand(&cli->app(), "explain", "Say which way the packets of a flow go, and why",
                      [=] { return Explain(cli, *options); });
  explain->add_option("protocol", options->protocol, "The transport protocol")
      ->check(CLI::IsMember(EnumNames(*v1::Protocol_descriptor())))
      ->required();
  explain->add_option("source", options->source, "The client's address and port; IPv6 in brackets")
      ->type_name("ADDRESS:PORT")
      ->required();
  explain->add_option("destination", options->destination, "The address and port it sends to")
      ->type_name("ADDRESS:PORT")
      ->required();
}

}  // namespace guideway::cli
