//! Introspection data: the standard interfaces, and ours as cut out of the contract.

use std::fmt::Write;

use tokenkeeper::wire::{ACCOUNT_INTERFACE, CONTRACT, KEEPER_INTERFACE, REQUEST_INTERFACE, VAULT_INTERFACE};

use super::object::Object;

const HEAD: &str = r#"<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<node>
"#;

const EVERYWHERE: &str = r#"  <interface name="org.freedesktop.DBus.Introspectable">
    <method name="Introspect"><arg name="xml_data" type="s" direction="out"/></method>
  </interface>
  <interface name="org.freedesktop.DBus.Peer">
    <method name="Ping"/>
    <method name="GetMachineId"><arg name="machine_uuid" type="s" direction="out"/></method>
  </interface>
"#;

const PROPERTIES: &str = r#"  <interface name="org.freedesktop.DBus.Properties">
    <method name="Get"><arg name="interface_name" type="s" direction="in"/><arg name="property_name" type="s" direction="in"/><arg name="value" type="v" direction="out"/></method>
    <method name="Set"><arg name="interface_name" type="s" direction="in"/><arg name="property_name" type="s" direction="in"/><arg name="value" type="v" direction="in"/></method>
    <method name="GetAll"><arg name="interface_name" type="s" direction="in"/><arg name="properties" type="a{sv}" direction="out"/></method>
    <signal name="PropertiesChanged"><arg name="interface_name" type="s"/><arg name="changed_properties" type="a{sv}"/><arg name="invalidated_properties" type="as"/></signal>
  </interface>
"#;

const OBJECT_MANAGER: &str = r#"  <interface name="org.freedesktop.DBus.ObjectManager">
    <method name="GetManagedObjects"><arg name="objects" type="a{oa{sa{sv}}}" direction="out"/></method>
    <signal name="InterfacesAdded"><arg name="object_path" type="o"/><arg name="interfaces_and_properties" type="a{sa{sv}}"/></signal>
    <signal name="InterfacesRemoved"><arg name="object_path" type="o"/><arg name="interfaces" type="as"/></signal>
  </interface>
"#;

const LOG_CONTROL: &str = r#"  <interface name="org.freedesktop.LogControl1">
    <property name="LogLevel" type="s" access="readwrite"><annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="false"/></property>
    <property name="LogTarget" type="s" access="readwrite"><annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="false"/></property>
    <property name="SyslogIdentifier" type="s" access="read"><annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="const"/></property>
  </interface>
"#;

/// The introspection data of an object with these children.
pub(super) fn describe(object: &Object, children: impl Iterator<Item = impl AsRef<str>>) -> String {
    let mut xml = String::from(HEAD);
    xml.push_str(EVERYWHERE);
    match object {
        Object::Root => {
            xml.push_str(PROPERTIES);
            xml.push_str(OBJECT_MANAGER);
            xml.push_str(of_contract(KEEPER_INTERFACE));
            xml.push_str(of_contract(VAULT_INTERFACE));
        }
        Object::Account(_) => {
            xml.push_str(PROPERTIES);
            xml.push_str(of_contract(ACCOUNT_INTERFACE));
        }
        Object::Request(_) => {
            xml.push_str(PROPERTIES);
            xml.push_str(of_contract(REQUEST_INTERFACE));
        }
        Object::LogControl => {
            xml.push_str(PROPERTIES);
            xml.push_str(LOG_CONTROL);
        }
        Object::Accounts | Object::Way(_) => {}
    }
    for child in children {
        writeln!(xml, "  <node name=\"{}\"/>", child.as_ref()).expect("a String takes everything");
    }
    xml.push_str("</node>\n");
    xml
}

/// The `<interface>` element of the contract that has this name, as it stands there.
fn of_contract(interface: &str) -> &'static str {
    let begin = format!("  <interface name=\"{interface}\">");
    let end = "</interface>\n";
    let from = CONTRACT.find(&begin).expect("the contract has all interfaces");
    let length = CONTRACT[from..].find(end).expect("an element ends") + end.len();
    &CONTRACT[from..from + length]
}
