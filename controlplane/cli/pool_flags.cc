// See pool_flags.h.
#include "controlplane/cli/pool_flags.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lib/base/status.h"
#include "lib/config/schema.h"

namespace guideway::cli {

namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

const FieldDescriptor& FieldOf(const std::string& path) {
  const google::protobuf::Descriptor* type = v1::Pool::descriptor();
  const size_t dot = path.find('.');
  if (dot != std::string::npos) {
    type = type->FindFieldByName(path.substr(0, dot))->message_type();
  }
  return *type->FindFieldByName(path.substr(dot == std::string::npos ? 0 : dot + 1));
}

// The message that holds the field: the pool or a group below it.
Message* HolderOf(const std::string& path, v1::Pool* pool) {
  const size_t dot = path.find('.');
  if (dot == std::string::npos) return pool;
  const FieldDescriptor* group = v1::Pool::descriptor()->FindFieldByName(path.substr(0, dot));
  return pool->GetReflection()->MutableMessage(pool, group);
}

std::string CheckIsNumber(const std::string& text) {
  uint32_t number = 0;
  return absl::SimpleAtoi(text, &number) ? "" : text + " is not a whole number";
}

// A flag without value; one that is true by default takes a value.
bool IsSwitch(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL &&
         RuleOf(field).default_value() != "true";
}

absl::Status AddTexts(const FieldDescriptor& field, const std::vector<std::string>& texts,
                      Message* holder) {
  for (const std::string& text : texts) {
    GW_RETURN_IF_ERROR(CheckText(field, text));
    holder->GetReflection()->AddString(holder, &field, text);
  }
  return absl::OkStatus();
}

absl::Status SetDuration(const FieldDescriptor& field, const std::string& text, Message* holder) {
  const auto parsed = ParseDuration(text);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(text, " is not a duration; must have a unit, such as 500ms or 5s"));
  }
  GW_RETURN_IF_ERROR(CheckDuration(field, *parsed));
  holder->GetReflection()->MutableMessage(holder, &field)->CopyFrom(ToProto(*parsed));
  return absl::OkStatus();
}

absl::Status SetField(const FieldDescriptor& field, const std::string& text, Message* holder) {
  if (IsDuration(field)) return SetDuration(field, text, holder);
  const auto* reflection = holder->GetReflection();
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    reflection->SetEnum(holder, &field, FindEnumValue(*field.enum_type(), text));
    return absl::OkStatus();
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
    reflection->SetBool(holder, &field, text == "true");
    return absl::OkStatus();
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    // To the API an empty text is an absent field; who gives a flag means a value.
    if (text.empty()) return absl::InvalidArgumentError("must not be empty");
    GW_RETURN_IF_ERROR(CheckText(field, text));
    reflection->SetString(holder, &field, text);
    return absl::OkStatus();
  }
  uint32_t number = 0;
  if (!absl::SimpleAtoi(text, &number)) return absl::InvalidArgumentError(CheckIsNumber(text));
  GW_RETURN_IF_ERROR(CheckNumber(field, number));
  reflection->SetUInt32(holder, &field, number);
  return absl::OkStatus();
}

CLI::Option* AddFlag(const PoolFlag& flag, CLI::App* command, PoolFlagValues* values) {
  const FieldDescriptor& field = FieldOf(flag.field);
  if (field.is_repeated()) {
    return command->add_option(flag.flag, values->lists[flag.field], flag.help)
        ->type_name(flag.type)
        ->expected(1)
        ->take_all();
  }
  if (IsSwitch(field)) {
    return command->add_flag(flag.flag, values->switches[flag.field], flag.help);
  }
  CLI::Option* option = command->add_option(flag.flag, values->texts[flag.field], flag.help);
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    option->check(CLI::IsMember(EnumNames(*field.enum_type())));
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
    option->check(CLI::IsMember(std::vector<std::string>{"true", "false"}));
  } else {
    option->type_name(flag.type);
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32) option->check(CheckIsNumber);
  if (const std::string& value = RuleOf(field).default_value(); !value.empty()) {
    option->default_str(value);
  }
  return option;
}

}  // namespace

const std::vector<PoolFlag>& PoolFlags() {
  static const auto* const flags = new std::vector<PoolFlag>{
      {"encapsulation", "--encapsulation", "", "How packets get to the backends"},
      {"scheduler", "--scheduler", "", "Which backend a new flow gets"},
      {"source_prefix_length_ipv4", "--source-prefix-length-ipv4", "NUMBER",
       "With maglev-source: leading bits of an IPv4 client's address that count"},
      {"source_prefix_length_ipv6", "--source-prefix-length-ipv6", "NUMBER",
       "With maglev-source: leading bits of an IPv6 client's address that count"},
      {"slow_start", "--slow-start", "DURATION",
       "Backends that begin to take flows get their share little by little over this time"},
      {"table_size", "--table-size", "NUMBER", "Slots of the Maglev table, a prime"},
      {"gue.port", "--gue-port", "PORT", "With gue: UDP port of the backends' tunnels"},
      {"gue.second_chance", "--gue-second-chance", "",
       "With gue: packets name a second backend, to which the first may pass them on"},
      {"gue.zero_checksum6", "--gue-zero-checksum6", "",
       "With gue: no UDP checksum over IPv6; backends must allow it"},
      {"dscp", "--dscp", "NUMBER",
       "With l3dsr, needed: what tells the backends the VIP, from 1 to 63"},
      {"source_prefix_ipv4", "--source-prefix-ipv4", "PREFIX",
       "Tunnels to IPv4 backends come from this prefix, such as 198.18.0.0/16"},
      {"source_prefix_ipv6", "--source-prefix-ipv6", "PREFIX",
       "Tunnels to IPv6 backends come from this prefix, such as 2001:db8::/96"},
      {"probe.type", "--probe", "", "How health is found out; without it, not at all"},
      {"probe.port", "--probe-port", "PORT", "Port that is probed; not with icmp and exec"},
      {"probe.path", "--probe-path", "PATH", "With http, https: path of the GET"},
      {"probe.host", "--probe-host", "HOST",
       "With http, https, grpc, grpcs: Host header; without it the address that is probed"},
      {"probe.status_min", "--probe-status-min", "NUMBER",
       "With http, https: smallest status that counts as success"},
      {"probe.status_max", "--probe-status-max", "NUMBER",
       "With http, https: largest status that counts as success"},
      {"probe.interval", "--probe-interval", "DURATION", "From one probe to the next"},
      {"probe.timeout", "--probe-timeout", "DURATION",
       "After this a probe has failed; at most the interval"},
      {"probe.rise", "--probe-rise", "NUMBER", "Successes in a row that make a backend healthy"},
      {"probe.fall", "--probe-fall", "NUMBER", "Failures in a row that make a backend unhealthy"},
      {"probe.jitter_percent", "--probe-jitter", "PERCENT",
       "By up to so much each interval is longer or shorter"},
      {"probe.source_ipv4", "--probe-source-ipv4", "ADDRESS",
       "Address of this host from which IPv4 backends are probed"},
      {"probe.source_ipv6", "--probe-source-ipv6", "ADDRESS", "The same for IPv6 backends"},
      {"probe.expect", "--probe-expect", "BYTES",
       "With http, https, udp, exec: what the answer must hold, text or hex:DIGITS"},
      {"probe.tls_name", "--probe-tls-name", "HOST",
       "With https, grpcs: name that the certificate must have, and SNI"},
      {"probe.tls_verify", "--probe-tls-verify", "",
       "With https, grpcs: whether a certificate that is not trusted is a failure"},
      {"probe.tls_ca_file", "--probe-tls-ca-file", "PATH",
       "With https, grpcs: certificates that are trusted, instead of those of this host"},
      {"probe.send", "--probe-send", "BYTES", "With udp: the datagram, text or hex:DIGITS"},
      {"probe.silent", "--probe-silent", "", "With udp: the backend need not answer"},
      {"probe.grpc_service", "--probe-grpc-service", "NAME",
       "With grpc, grpcs: the service that is asked for"},
      {"probe.command", "--probe-command", "ARGUMENT",
       "With exec: the program by its absolute path; again for each argument"},
      {"probe.environment", "--probe-environment", "NAME=VALUE",
       "With exec: its environment; again for each variable"},
      {"probes_needed", "--probes-needed", "",
       "Of several probes, which make a backend healthy; they are given with apply"},
      {"unhealthy_keeps_flows", "--unhealthy-keeps-flows", "",
       "A backend that turns unhealthy keeps its known flows"},
      {"fail_open_below", "--fail-open-below", "PERCENT",
       "When fewer backends are healthy, all are taken as healthy"},
      {"ejection_limit.percent", "--ejection-limit", "PERCENT",
       "At most so many backends turn unhealthy in the interval"},
      {"ejection_limit.interval", "--ejection-interval", "DURATION", "The interval of that limit"},
      {"probe.via", "--probe-via", "",
       "Which way probes take: straight to the backend, or to a VIP in the pool's encapsulation"},
      {"outlier_detection.window", "--outlier-window", "DURATION",
       "Eject backends that answer worse than the others; so long is counted before they are "
       "compared"},
      {"outlier_detection.min_new_flows", "--outlier-min-new-flows", "NUMBER",
       "New flows in a window that it takes to say something of a backend"},
      {"outlier_detection.max_syn_retransmissions_percent", "--outlier-max-syn-retransmissions",
       "NUMBER", "Eject by SYNs sent again on 100 new flows, beyond the others'; 0: not"},
      {"outlier_detection.max_unanswered_percent", "--outlier-max-unanswered", "NUMBER",
       "Eject by flows without a second packet on 100, beyond the others'; 0: not"},
      {"outlier_detection.max_client_resets_percent", "--outlier-max-client-resets", "NUMBER",
       "Eject by flows that clients reset on 100, beyond the others'; 0: not"},
      {"outlier_detection.base_ejection_time", "--outlier-base-ejection-time", "DURATION",
       "How long a first ejection is; each that follows is twice as long"},
      {"outlier_detection.max_ejection_time", "--outlier-max-ejection-time", "DURATION",
       "How long an ejection is at most"},
      {"outlier_detection.max_ejected_percent", "--outlier-max-ejected", "NUMBER",
       "Backends of 100 that may be out at a time, unhealthy ones counted"},
      {"circuit_breaker.max_new_flows_per_second", "--breaker-max-new-flows", "NUMBER",
       "New flows a second that a backend gets at most; 0: any number"},
      {"circuit_breaker.max_flows", "--breaker-max-flows", "NUMBER",
       "Flows that a backend has at most; 0: any number"},
      {"circuit_breaker.when_full", "--breaker-when-full", "",
       "What becomes of new flows if all backends have what they may have"},
  };
  return *flags;
}

void AddPoolFlags(CLI::App* command, PoolFlagValues* values) {
  CLI::Option* probe = nullptr;
  for (const PoolFlag& flag : PoolFlags()) {
    CLI::Option* option = AddFlag(flag, command, values);
    if (flag.field == "probe.type") {
      probe = option;
    } else if (flag.field.starts_with("probe.")) {
      option->needs(probe);
    }
  }
}

absl::Status FillPool(const PoolFlagValues& values, const CLI::App& command, v1::Pool* pool) {
  for (const PoolFlag& flag : PoolFlags()) {
    if (command.get_option(flag.flag)->count() == 0) continue;
    const FieldDescriptor& field = FieldOf(flag.field);
    Message* holder = HolderOf(flag.field, pool);
    if (field.is_repeated()) {
      GW_RETURN_IF_ERROR(Annotate(AddTexts(field, values.lists.at(flag.field), holder), flag.flag));
      continue;
    }
    if (IsSwitch(field)) {
      holder->GetReflection()->SetBool(holder, &field, values.switches.at(flag.field));
      continue;
    }
    GW_RETURN_IF_ERROR(Annotate(SetField(field, values.texts.at(flag.field), holder), flag.flag));
  }
  return absl::OkStatus();
}

}  // namespace guideway::cli
