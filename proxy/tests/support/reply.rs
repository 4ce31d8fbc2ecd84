//! Backend messages as lines a person can read and compare.

use postgres_types::Type;
use vitrine::wire::backend::Fields;
use vitrine::wire::reader::Reader;

/// Turns messages into lines; remembers the last RowDescription to know which values are binary.
#[derive(Default)]
pub struct Decoder {
    formats: Vec<i16>,
}

impl Decoder {
    pub fn line(&mut self, tag: u8, body: &[u8]) -> String {
        let mut reader = Reader::new(body);
        match tag {
            b'1' => "ParseComplete".to_owned(),
            b'2' => "BindComplete".to_owned(),
            b'3' => "CloseComplete".to_owned(),
            b'n' => {
                self.formats.clear();
                "NoData".to_owned()
            }
            b's' => "PortalSuspended".to_owned(),
            b'I' => "EmptyQueryResponse".to_owned(),
            b'c' => "CopyDone".to_owned(),
            b'd' => format!("CopyData {}", text_or_hex(body)),
            b'H' | b'G' => copy_response(tag, &mut reader),
            b'C' => format!("CommandComplete {}", reader.string().unwrap()),
            b'Z' => format!("Ready {}", String::from_utf8_lossy(body)),
            b'S' => format!("ParameterStatus {}={}", reader.string().unwrap(), reader.string().unwrap()),
            b'E' => format!("Error {}", report(body)),
            b'N' => format!("Notice {}", report(body)),
            b't' => parameters(&mut reader),
            b'T' => self.row_description(&mut reader),
            b'D' => self.row(&mut reader),
            other => format!("Message {} {}", char::from(other), hex(body)),
        }
    }

    fn row_description(&mut self, reader: &mut Reader<'_>) -> String {
        self.formats.clear();
        let mut line = "RowDescription".to_owned();
        for _ in 0..reader.count().unwrap() {
            let name = reader.string().unwrap();
            reader.bytes(6).unwrap();
            let oid = reader.u32().unwrap();
            reader.bytes(2).unwrap();
            let modifier = reader.i32().unwrap();
            let format = reader.i16().unwrap();
            self.formats.push(format);
            line.push_str(&format!(" {name}:{}", type_name(oid)));
            if modifier != -1 {
                line.push_str(&format!("({modifier})"));
            }
            if format != 0 {
                line.push_str("/binary");
            }
        }
        line
    }

    fn row(&self, reader: &mut Reader<'_>) -> String {
        let count = reader.count().unwrap();
        let values: Vec<String> = (0..count)
            .map(|column| match reader.length().unwrap() {
                None => "(null)".to_owned(),
                Some(length) => {
                    let bytes = reader.bytes(length).unwrap();
                    if self.formats.get(column) == Some(&1) { hex(bytes) } else { text_or_hex(bytes) }
                }
            })
            .collect();
        format!("DataRow {}", values.join(" | ")).trim_end().to_owned()
    }
}

fn copy_response(tag: u8, reader: &mut Reader<'_>) -> String {
    let name = if tag == b'H' { "CopyOut" } else { "CopyIn" };
    let format = if reader.u8().unwrap() == 0 { "text" } else { "binary" };
    format!("{name} {format}, {} columns", reader.count().unwrap())
}

fn parameters(reader: &mut Reader<'_>) -> String {
    let count = reader.count().unwrap();
    let names: Vec<String> = (0..count).map(|_| type_name(reader.u32().unwrap())).collect();
    format!("ParameterDescription {}", names.join(", ")).trim_end().to_owned()
}

fn report(body: &[u8]) -> String {
    let fields = Fields::decode(body).unwrap();
    let field = |key| fields.field(key).unwrap_or_default();
    let mut line = format!("{} {} {}", field(b'V'), field(b'C'), field(b'M'));
    if let Some(position) = fields.field(b'P') {
        line.push_str(&format!(" @{position}"));
    }
    for (key, name) in [(b'D', "detail"), (b'H', "hint")] {
        if let Some(text) = fields.field(key) {
            line.push_str(&format!(" [{name}: {}]", escape(text)));
        }
    }
    line
}

fn type_name(oid: u32) -> String {
    Type::from_oid(oid).map_or_else(|| format!("#{oid}"), |known| known.name().to_owned())
}

fn text_or_hex(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(|c| !c.is_control() || c == '\n' || c == '\t') => escape(text),
        _ => hex(bytes),
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t")
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("x'{digits}'")
}
