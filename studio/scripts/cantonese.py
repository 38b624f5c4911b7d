"""Cantonese scripts: what people in Hong Kong and Guangzhou say, in traditional and native Cantonese characters."""

SLOTS = {
    "digit": "零 一 二 三 四 五 六 七 八 九",
    "some": "兩 三 四 五 六 七 八 九 十",
    "ten": "二十 三十 四十 五十 六十 七十 八十 九十",
    "month": "一 二 三 四 五 六 七 八 九 十 十一 十二",
    "unit": "一 二 三 四 五 六 七 八 九",
    "day": "{unit} 十 十{unit} 二十 二十{unit}",
    "date": "{month}月{day}號 二零二{digit}年{month}月{day}號",
    "hour": "一 兩 三 四 五 六 七 八 九 十 十一 十二",
    "clock": "{hour}點 {hour}點半 {hour}點三個字 {hour}點{ten}分",
    "price": "{some}蚊 {ten}蚊 {some}百蚊 {some}個半 {some}千蚊",
    "cheap": "{some}蚊 {some}個半 十{unit}蚊",
    "weekday": "一 二 三 四 五 六 日",
    "past": "尋日 前日 上個月 上星期{weekday} 舊年 尋晚 頭先 今朝",
    "future": "聽日 後日 下個月 下星期{weekday} 今晚 聽晚 出年 放假 聽朝",
    "habit": "日日 平時 成日 星期{weekday} 食完飯 朝早 得閒",
    "person": "媽媽 爸爸 公公 婆婆 哥哥 家姐 細佬 妹妹 阿叔 姨媽 姑姐 老公 老婆 個仔 個女 老細 同事 "
    "同學 陳老師 黃醫生 李師傅 王太 阿明 細路",
    "folk": "{person} {person} {person} 我哋 佢哋 佢",
    "who": "你 你哋 佢 佢哋 你老公 阿明 陳老師 家姐",
    "city": "香港 廣州 北京 上海 日本 中山",
    "place": "旺角 茶樓 醫院 銀行 機場 地鐵站 巴士站 學校 公園 街市 商場 藥房 北京路 太平山 酒店",
    "go": "飲茶 行街 行山 游水 銀行攞錢 醫院睇醫生 機場接機 {city}旅行 {city}出差 唱歌 影相 睇樓 海洋公園 買鞋",
    "act": "食飯 飲茶 瞓覺 睇電視 睇書 打機 打麻雀 游水 唱歌 跳舞 煮飯 洗衫 洗碗 傾偈 聽音樂 "
    "打電話 踩單車 影相 學英文 放狗 游早水",
    "acting": "食緊飯 飲緊茶 睇緊電視 睇緊書 打緊機 打緊麻雀 游緊水 唱緊歌 煮緊飯 洗緊衫 打緊電話 踩緊單車",
    "food": "叉燒飯 雲吞麵 蝦餃 奶茶 炒河粉 豆腐 炒菜心 龍蝦 涼茶 多士 西多士 炸兩",
    "fruit": "蘋果 香蕉 西瓜 橙 龍眼 士多啤梨",
    "drink": "奶茶 啤酒 橙汁 熱水 汽水",
    "taste": "好食 甜 酸 辣 苦 香 淡 脆",
    "goods": "一{thing} 一{thing} 一{thing} 一張梳化 一部冷氣機 一份禮物 一盞燈 一條鎖匙",
    "thing": "對鞋 把遮 部手機 部電腦 架單車 個手袋 個雪櫃 個銀包 部相機 個書包 隻杯 隻碟 本書 對筷子",
    "color": "紅色 黃色 白色 黑色 灰色 紫色",
    "look": "靚 平 貴 新 舊 大 細 重 得意",
    "bad": "貴 舊 大 細 重",
    "feel": "開心 嬲 驚 緊張 攰 擔心 心急 唔開心 感動",
    "sad": "嬲 驚 緊張 擔心 心急 後悔",
    "trait": "瘦 高 矮 靚仔 細心 有禮貌 乖 搞笑 叻",
    "job": "醫生 護士 司機 警察 律師 老師 記者 演員 工程師 文員 歌星",
    "ride": "搭地鐵 搭巴士 搭的士 搭飛機 搭船 搭電車 行路 踩單車 搭火車",
    "weather": "落雨 行雷 落雪 轉涼",
    "sky_ask": "凍唔凍 熱唔熱 焗唔焗 暖唔暖 濕唔濕",
    "sky": "凍 熱 潮濕 焗 暖",
    "ill": "頭痛 咳 肚痛 牙痛 腰痛 感冒",
    "animal": "貓 狗 兔仔 雀仔 熊貓 老虎 大笨象 龜 鴨仔",
    "limb": "手 眼 手指 膝頭",
    "subject": "中文 英文 物理 化學 地理 音樂 法律",
    "surname": "陳 李 黃 張 林 王 何 謝 郭",
    "spot": "左邊 右邊 前面 後面 對面 樓下",
    "machine": "電腦 手機 冷氣機 雪櫃 洗衣機 電視 單車 電梯 打印機",
    "festival": "新年 中秋節 端午節 生日 清明節",
    "scene": "夜景 日落 海景 花 星星",
    "call": "唔該 靚女 師傅 小姐 先生",
    "chore": "閂門 帶鎖匙 着衫 食藥 鎖門",
    "event": "婚禮 演唱會 面試 講座",
}

SENTENCES = """
{past}{folk}去咗{go}。
{future}{folk}要去{go}。
{folk}{habit}都會{act}。
{habit}我最鍾意{act}。
{who}做緊乜嘢，係咪{acting}呀？
{who}識唔識{act}㗎？
{who}鍾意{act}定係{act}呀？
唔好{act}啦，快啲嚟食飯！
食完飯，我想{act}。
醫生話{person}{ill}，唞下就冇事。
{who}做乜嘢呀，係咪{ill}？
{future}會{weather}，記得帶遮呀。
{past}{city}{weather}呀。
{city}今日好{sky}呀。
{city}嘅天氣點呀，{sky_ask}？
今日得{some}度，好{sky}呀。
呢啲{fruit}好{taste}，你試下啦。
{fruit}幾多錢一斤呀？
{fruit}{cheap}一斤，要幾多呀？
{call}，要一碟{food}，一杯{drink}。
{person}整嘅{food}好{taste}。
我唔想食{food}，想食{food}。
今晚食{food}，好唔好？
{call}，{food}幾多錢呀？
{who}想飲{drink}定係{drink}？
{drink}走甜，{food}要熱嘅。
雪櫃有{food}、{fruit}同{drink}。
{past}我買咗{goods}，使咗{price}。
{person}想買{goods}畀{person}。
呢{thing}要{price}，平啲得唔得？
嗰{thing}係{color}嘅，好{look}呀。
呢{thing}太{bad}喇，我唔要。
{person}唔見咗{thing}，好{sad}。
唔該你攞嗰{thing}畀我。
{person}送咗{goods}畀我，我好開心。
{who}{thing}係咪{color}㗎？
唔該，{place}喺邊度呀？
{place}喺{place}{spot}。
我哋{ride}去{place}啦。
{person}日日{ride}返工。
去{place}，{ride}最快。
{future}我{ride}去{city}。
架飛機{clock}到{city}，唔好遲到。
而家{clock}，{person}仲{acting}。
我哋{clock}喺{place}等啦。
{place}{clock}閂門，快啲啦！
今日係{date}，星期{weekday}。
{person}嘅生日係{date}。
{date}我哋搬屋。
我嘅電話係九{digit}{digit}{digit}{digit}{digit}{digit}{digit}。
{person}住喺{unit}樓{digit}{digit}{digit}室。
我屋企有{some}個人。
我哋班有{ten}個學生。
{person}係{job}，喺{city}返工。
{person}以前做過{job}。
我大個想做{job}。
{who}係咪{job}嚟㗎？
{person}好{trait}㗎。
{person}又{trait}又{trait}。
{person}今日好{feel}呀。
唔使{sad}，慢慢嚟啦。
聽到呢個消息，{person}好{feel}。
動物園啲{animal}好得意呀！
啲細路最鍾意睇{animal}同{animal}。
{person}喺大學讀{subject}。
{subject}考試我得{ten}分。
{festival}就到喇，{person}要返{city}。
{festival}嗰日，全家人食{food}。
{person}大過我{some}年。
如果{future}唔{weather}，我哋就去{go}。
你好，我姓{surname}，係{job}。
唔好意思，我唔記得{chore}。
{who}記得{chore}呀。
{future}唔好唔記得{chore}喎。
多謝晒，我好開心。
{who}{past}去咗邊度呀？
{who}幾時去{city}呀？
{who}可唔可以幫我整{machine}？
{person}講乜嘢呀，我聽唔明。
我識咗{person}{some}年喇。
{city}嘅{scene}好靚呀。
{person}企喺度睇{scene}。
{person}隻{limb}好痛，{future}去睇醫生。
{past}{person}去咗{event}。
{event}{clock}開始，唔好嘈喇。
{future}有{event}，{who}嚟唔嚟呀？
"""
